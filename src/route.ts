import type { FastifyReply, FastifyRequest, preParsingHookHandler, RequestPayload, RouteOptions } from 'fastify'
import { RequestInvalidError } from './errors.js'
import { framingFault } from './http/framing.js'
import { bodies } from './http/request-body.js'
import { hasBody } from './upstreams/headers.js'
import { asksForWebSocket } from './websocket/handshake.js'

/** Serves a request; what it returns is for Fastify. */
export type RouteHandler = (request: FastifyRequest, reply: FastifyReply) => unknown

/**
 * Lets `handshake` serve a route's requests for WebSockets, and the handler all others. A plugin that
 * replaces the handler later, as @fastify/websocket does, replaces it for those others alone.
 *
 * @param handshake Looked up at each request; undefined as long as there is none.
 */
export function serveHandshakes (routeOptions: RouteOptions, handshake: () => RouteHandler | undefined): void {
  const dispatch = (others: RouteOptions['handler']): RouteOptions['handler'] => function (request, reply) {
    const serve = asksForWebSocket(request.raw) ? handshake() : undefined
    return serve === undefined ? others.call(this, request, reply) : serve(request, reply)
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
 * Lets the body of a proxied request pass unparsed, whatever its type.
 *
 * Fastify knows parsers for a scope, not for a route, and a scope of its own would miss hooks that are added
 * to this one later. But it asks for the method, right after the preParsing hooks, to decide whether there
 * is anything to parse, and a GET has no body to it. Should another hook ask first, the body is found parsed
 * and the request fails with SLUICE_BODY_CONSUMED.
 *
 * A body that an earlier preParsing hook has replaced is passed on as the hook made it.
 */
export function leaveBodyUnparsed (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: (error: Error | null, payload?: RequestPayload) => void): void {
  if (hasBody(request.headers)) {
    const fault = framingFault(request.raw)
    if (fault !== undefined) {
      // Somebody before us may have seen the body end elsewhere.
      reply.header('connection', 'close')
      return done(new RequestInvalidError(fault))
    }
    bodies.set(request, payload)
    // A stream of a hook's may fail before the handler listens to it; that must not end the process.
    payload.on('error', () => {})
    Object.defineProperty(request, 'method', {
      configurable: true,
      get () {
        delete (request as { method?: string }).method
        return 'GET'
      }
    })
  }
  done(null, payload)
}
