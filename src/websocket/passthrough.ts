import { validateHeaderValue, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DrainingError, HandshakeInvalidError, HandshakeVersionError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import type { WebSocketOptions } from '../options.js'
import { mergedHeaders, sendAnswer } from '../upstreams/answer.js'
import { dial } from '../upstreams/dial.js'
import { forwardingOf } from '../upstreams/forwarding.js'
import { handshakeHeaders, listsToken, responseHeaders, type HeaderList } from '../upstreams/headers.js'
import type { Rewriting } from '../upstreams/rewriting.js'
import type { Target } from '../upstreams/target.js'
import type { Upstream } from '../upstreams/upstream.js'
import { readOffer, rsvBits, type Offer } from './handshake.js'
import { makeOffer, type OfferResult } from './offer.js'
import { Session } from './session.js'
import type { Sessions } from './sessions.js'
import type { PendingUpgrade, Upgrades } from './upgrades.js'
import { WaitingClient } from './waiting-client.js'

/** What a passthrough needs of its gateway. */
export interface PassthroughContext {
  upgrades: Upgrades
  sessions: Sessions
}

/** What a passthrough needs of its route. */
export interface PassthroughRoute {
  chooseUpstream (request: FastifyRequest): Promise<Upstream>
  rewriting: Rewriting
  websocket: Required<WebSocketOptions>
}

/**
 * Answers a request for a WebSocket: steps 2 to 7 of 'A WebSocket's way through' (docs/life-of-a-request.md).
 * What it throws goes to the error handler of the route, and so to the client as a refusal.
 */
export async function passThrough (request: FastifyRequest, reply: FastifyReply, route: PassthroughRoute, { upgrades, sessions }: PassthroughContext): Promise<FastifyReply> {
  // For every answer but a 101: behind a handshake nothing else may come on the connection.
  reply.header('connection', 'close')
  const offer = offerOf(request, reply)
  const path = route.rewriting.path(request)
  const pending = upgrades.take(request.raw)
  if (pending === undefined) throw new HandshakeInvalidError('this connection cannot be upgraded')

  const client = new WaitingClient(pending.socket, sessions.stopping)
  try {
    if (sessions.stopping.aborted) throw new DrainingError()
    const upstream = await route.chooseUpstream(request)
    const { result, target } = await firstAnswer(upstream, request, route, { offer, path, timeout: route.websocket.handshakeTimeout, signal: client.signal })
    try {
      if (client.signal.aborted || reply.sent) throw new TargetUnreachableError()
      client.settle()
      if (!result.accepted) return relayRefusal(request, reply, result.response, route, upstream.bodyTimeout)
      openSession(request, reply, pending, result, target, route, sessions)
      return reply
    } catch (error) {
      discard(result)
      throw error
    }
  } catch (error) {
    client.settle()
    // A timeout of Fastify's has answered already.
    if (reply.sent) return reply
    if (client.left) {
      // Nobody is there to be answered. Who has only ended his half still waits for our end.
      pending.socket.destroy()
      return reply.hijack()
    }
    if (sessions.stopping.aborted) {
      reply.header('retry-after', '1')
      throw new DrainingError()
    }
    throw error
  }
}

function offerOf (request: FastifyRequest, reply: FastifyReply): Offer {
  try {
    return readOffer(request.raw)
  } catch (error) {
    if (error instanceof HandshakeVersionError) {
      // RFC 6455 §4.4.
      nameUpgrade(reply).header('sec-websocket-version', '13')
    }
    throw error
  }
}

/** A 426 must say what to upgrade to (RFC 9110 §15.5.22). */
function nameUpgrade (reply: FastifyReply): FastifyReply {
  return reply.header('upgrade', 'websocket').header('connection', 'close, upgrade')
}

/** Makes the offer to one target after another until one answers. A target that was silent is not replaced: it may have acted. */
async function firstAnswer (upstream: Upstream, request: FastifyRequest, { rewriting }: PassthroughRoute, options: { offer: Offer, path: string, timeout: number, signal: AbortSignal }): Promise<{ result: OfferResult, target: Target }> {
  const forwarding = forwardingOf(request)
  const tried = new Set<Target>()
  let failure: unknown
  for (;;) {
    const target = upstream.select(tried)
    if (target === undefined) throw failure
    tried.add(target)
    try {
      const headers = rewriting.requestHeaders(handshakeHeaders(request.raw.rawHeaders, forwarding, target.address.host), request)
      const connection = await dial(target.address, { timeout: upstream.connectTimeout, tls: upstream.tls, signal: options.signal })
      return { result: await makeOffer(connection, { ...options, headers }), target }
    } catch (error) {
      if (options.signal.aborted || !(error instanceof TargetUnreachableError)) throw error
      failure = error
    }
  }
}

/** Sends the target's answer to the client as it is. */
function relayRefusal (request: FastifyRequest, reply: FastifyReply, response: IncomingMessage, { rewriting }: PassthroughRoute, bodyTimeout: number): FastifyReply {
  if (response.statusCode === 426 && listsToken(response.headers.upgrade, 'websocket')) nameUpgrade(reply)
  response.setTimeout(bodyTimeout, () => response.destroy(new TargetTimeoutError()))
  // A client that does not read stands still too, though the target may be done.
  reply.raw.socket!.setTimeout(bodyTimeout, () => reply.raw.destroy())
  return sendAnswer(reply, {
    status: response.statusCode!,
    message: response.statusMessage!,
    headers: rewriting.responseHeaders(responseHeaders(response.rawHeaders), request),
    body: response
  })
}

function openSession (request: FastifyRequest, reply: FastifyReply, pending: PendingUpgrade, accepted: Extract<OfferResult, { accepted: true }>, target: Target, route: PassthroughRoute, sessions: Sessions): void {
  const client = pending.socket
  const response = reply.raw
  const head = headOf101(reply, accepted.message, route.rewriting.responseHeaders(responseHeaders(accepted.headers), request))

  reply.hijack()
  response.detachSocket(client as Socket)
  pending.release()
  for (const socket of [client, accepted.socket]) prepareForFrames(socket)
  if (pending.head.length > 0) client.unshift(pending.head)
  if (accepted.head.length > 0) accepted.socket.unshift(accepted.head)
  client.write(head, 'latin1')

  const session = new Session({
    client,
    target: accepted.socket,
    allowedRsv: rsvBits(accepted.headers),
    closeTimeout: route.websocket.closeTimeout,
    onEnd: end => {
      sessions.delete(session)
      request.log.info({ session: { ...end, target: target.address.origin } }, 'websocket session ended')
      // Runs the onResponse hooks of the route, and with them Fastify's own log line.
      response.statusCode = 101
      response.emit('finish')
    }
  })
  sessions.add(session)
  session.start()
}

/** The answer to the client: the target's headers, with the upgrade of this hop. */
function headOf101 (reply: FastifyReply, message: string, headers: HeaderList): string {
  reply.removeHeader('connection')
  const lines = [`HTTP/1.1 101 ${message}`, 'Upgrade: websocket', 'Connection: Upgrade']
  const merged = mergedHeaders(reply, headers)
  for (let index = 0; index < merged.length; index += 2) {
    const name = merged[index]!
    const value = merged[index + 1]!
    // A 101 has no body (RFC 9110 §8.6), so it must not look as if it had.
    if (name.toLowerCase() === 'content-length') continue
    // A hook may have set anything.
    validateHeaderValue(name, value)
    lines.push(`${name}: ${value}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Limits meant for HTTP end here, and a small frame is not to wait for another (Nagle). */
function prepareForFrames (socket: Duplex): void {
  if ('setTimeout' in socket) (socket as Socket).setTimeout(0).setNoDelay(true)
}

function discard (result: OfferResult): void {
  if (result.accepted) result.socket.destroy()
  else result.response.destroy()
}
