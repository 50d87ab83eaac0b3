import { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest, preParsingHookHandler, RequestPayload, RouteOptions } from 'fastify'
import { RequestInvalidError } from '../errors.js'
import { framingFault } from '../message/framing.js'
import { bodies } from '../http/request-body.js'
import { announcesBody } from '../message/headers.js'
import { asksForWebSocket } from '../message/upgrade-request.js'

/** Serves a request; what it returns is for Fastify. */
export type RouteHandler = (request: FastifyRequest, reply: FastifyReply) => unknown

/** Serves what asks for a WebSocket, strictly or not. */
export interface HandshakeHandler { serve: RouteHandler, strict: boolean }

/**
 * Lets `handshake` serve a route's requests for WebSockets, and the handler all others. A plugin that
 * replaces the handler later, as @fastify/websocket does, replaces it for those others alone.
 *
 * @param handshake Looked up at each request; undefined until there is one.
 */
export function serveHandshakes (routeOptions: RouteOptions, handshake: () => HandshakeHandler | undefined): void {
  const dispatch = (others: RouteOptions['handler']): RouteOptions['handler'] => function (request, reply) {
    const served = handshake()
    return served !== undefined && asksForWebSocket(request.raw, served.strict) ? served.serve(request, reply) : others.call(this, request, reply)
  }
  let handler = dispatch(routeOptions.handler)
  Object.defineProperty(routeOptions, 'handler', {
    configurable: true,
    enumerable: true,
    get: () => handler,
    // A replacement calls what it has replaced, so each gets a dispatch of its own.
    set: replacement => { handler = dispatch(replacement) }
  })
}

/**
 * Keeps a preParsing hook behind those that other plugins give the route later, be it as a new list or into
 * the one that is there.
 */
export function keepLast (routeOptions: RouteOptions, hook: preParsingHookHandler): void {
  let hooks = [routeOptions.preParsing ?? []].flat()
  Object.defineProperty(routeOptions, 'preParsing', {
    configurable: true,
    enumerable: true,
    get: () => {
      const others = hooks.filter(other => other !== hook)
      hooks.splice(0, hooks.length, ...others, hook)
      return hooks
    },
    set: replacement => { hooks = [replacement ?? []].flat() }
  })
}

/**
 * Lets a proxied request pass unparsed, whatever its body and its type.
 *
 * Fastify knows parsers for a scope, not for a route, and a scope of its own would miss hooks that are added
 * to this one later. But it asks for the method, right after the preParsing hooks, to decide whether there
 * is anything to parse: by the Content-Type alone, even where there is no body. A method that it does not know
 * has no parser. Should another hook ask first, the body is found parsed and the request fails with
 * SLUICE_BODY_CONSUMED.
 *
 * A body that an earlier preParsing hook has replaced is passed on as the hook made it.
 */
export function leaveBodyUnparsed (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: (error: Error | null, payload?: RequestPayload) => void): void {
  const { raw } = request
  // What came over the wire counts: a hook may have changed request.headers.
  if (announcesBody(raw.rawHeaders)) {
    const fault = framingFault(raw)
    if (fault !== undefined) {
      // Somebody before us may have seen the body end elsewhere.
      reply.header('connection', 'close')
      return done(new RequestInvalidError(fault))
    }
    keepBody(request, payload)
  } else if (isInjected(raw)) {
    whenKnown(payload as Readable, hasBody => {
      if (hasBody) keepBody(request, payload)
      else hideMethod(raw)
      done(null, payload)
    })
    return
  } else if (request.headers['content-type'] !== undefined || raw.method === 'QUERY') {
    // Fastify refuses a QUERY without a type. That is for the target to do.
    hideMethod(raw)
  }
  done(null, payload)
}

function keepBody (request: FastifyRequest, payload: RequestPayload): void {
  bodies.set(request, payload)
  // A stream of a hook's may fail before the handler listens to it; that must not end the process.
  payload.on('error', () => {})
  hideMethod(request.raw)
}

/** The next read of the method gives undefined, once. Fastify 5.0 reads it from the raw request, later versions from their own, which reads the raw one. */
function hideMethod (raw: IncomingMessage): void {
  const { method } = raw
  Object.defineProperty(raw, 'method', {
    configurable: true,
    get () {
      Object.defineProperty(raw, 'method', { value: method, writable: true, enumerable: true, configurable: true })
      return ''
    }
  })
}

/** A request of `app.inject()`. A stream that is given to it as the payload is announced by no header. */
function isInjected (raw: IncomingMessage): boolean {
  return raw.httpVersionMajor === 1 && !(raw instanceof IncomingMessage)
}

const EVENTS = ['readable', 'end', 'error', 'close'] as const

/** Calls back when it is known whether there is anything in a stream. */
function whenKnown (payload: Readable, callback: (hasBody: boolean) => void): void {
  const settle = (): void => {
    for (const event of EVENTS) payload.off(event, settle)
    callback(payload.readableLength > 0 || payload.errored !== null)
  }
  for (const event of EVENTS) payload.on(event, settle)
}
