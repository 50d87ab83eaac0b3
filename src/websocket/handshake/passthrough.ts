import { validateHeaderValue } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClientFullError, DrainingError, HandshakeInvalidError, HandshakeVersionError, RouteFullError, TargetUnreachableError } from '../../errors.js'
import type { WebSocketOptions } from '../../options/index.js'
import { reasonPhrase, type TargetResponse } from '../../message/response.js'
import { mergedHeaders, sendResponse } from '../../proxy/send-response.js'
import type { Cancellation } from '../../net/cancellation.js'
import { forwardingOf, type ForwardingPolicy } from '../../message/forwarding.js'
import { handshakeHeaders, headerPairs, headerValues, listsToken, responseHeaders, type HeaderList } from '../../message/headers.js'
import { hookHeaders } from '../../message/hook-headers.js'
import { showHeaders } from '../../message/response-headers.js'
import { redactedProtocol } from '../../observers/redaction.js'
import type { Rewriting } from '../../message/rewriting.js'
import { readShared, unread } from '../../net/shared-reads.js'
import type { Target } from '../../upstreams/target.js'
import type { Upstream } from '../../upstreams/upstream.js'
import type { Admission } from '../../policies/admission.js'
import { RETRY_AFTER } from '../../listener/draining.js'
import type { Offer } from '../../message/offer.js'
import { chosenProtocols, readOffer, rsvBits } from './validation.js'
import { LiveSession } from '../live-session.js'
import { makeOffer, type OfferResult } from './make-offer.js'
import type { SessionOptions } from '../relay/relay.js'
import type { Sessions } from '../sessions.js'
import type { PendingUpgrade } from '../../listener/pending-upgrade.js'
import type { Upgrades } from '../../listener/upgrades.js'
import { WaitingClient } from './waiting-client.js'

/** What a passthrough needs of its gateway. */
export interface PassthroughContext {
  upgrades: Upgrades
  sessions: Sessions
}

/** What a passthrough needs of its route. */
export interface PassthroughRoute {
  url: string
  chooseUpstream (request: FastifyRequest): Upstream | Promise<Upstream>
  rewriting: Rewriting
  forwarding: ForwardingPolicy
  websocket: WebSocketOptions
  admission: Admission
}

/**
 * Responses a request for a WebSocket: steps 2 to 7 of 'A WebSocket's way through' (docs/life-of-a-request.md).
 * What it throws goes to the error handler of the route, and so to the client as a refusal.
 */
export async function passThrough (request: FastifyRequest, reply: FastifyReply, route: PassthroughRoute, context: PassthroughContext): Promise<FastifyReply> {
  // For every response but a 101: behind a handshake nothing else may come on the connection.
  reply.header('connection', 'close')
  try {
    const offer = route.admission.offer(request, offerOf(request, reply, route.websocket.strict))
    const path = route.rewriting.path(request)
    const leave = route.admission.enter(request.ip)
    let opened = false
    try {
      opened = await shakeHands(request, reply, { route, offer, path, leave, ...context })
    } finally {
      if (!opened) leave()
    }
    return reply
  } catch (error) {
    if (error instanceof DrainingError || error instanceof RouteFullError || error instanceof ClientFullError) {
      reply.header('retry-after', RETRY_AFTER)
    }
    throw error
  }
}

/** A handshake that its route has let through. */
interface Admitted extends PassthroughContext {
  route: PassthroughRoute
  offer: Offer
  path: string
  /** Gives the session's place back. */
  leave (): void
}

/** Has a target response the handshake, and tells whether a session has opened. */
async function shakeHands (request: FastifyRequest, reply: FastifyReply, admitted: Admitted): Promise<boolean> {
  const { route, sessions, upgrades } = admitted
  const pending = route.websocket.strict === false ? await upgrades.takeLate(request.raw, reply.raw) : upgrades.take(request.raw)
  if (pending === undefined) throw new HandshakeInvalidError('this connection cannot be upgraded')
  const client = new WaitingClient(pending.socket)
  const { cancellation } = client
  sessions.handshakes.add(cancellation)
  try {
    if (sessions.stopping) throw new DrainingError()
    const end = await route.admission.end(request)
    const upstream = await route.chooseUpstream(request)
    const { result, target, headers } = await firstResponse(upstream, request, admitted, cancellation)
    try {
      if (cancellation.cancelled || reply.sent) throw new TargetUnreachableError()
      client.settle()
      const headersOf = (received: HeaderList) =>
        route.rewriting.responseHeaders(responseHeaders(received, route.forwarding.via), request, { address: target.address, headers })
      if (!result.accepted) {
        relayRefusal(reply, result.answer, headersOf(result.answer.headers), upstream.bodyTimeout)
        return false
      }
      openSession(request, reply, pending, result, headersOf(result.headers), admitted, { upstream, target, end })
      return true
    } catch (error) {
      discard(result)
      throw error
    }
  } catch (error) {
    client.settle()
    // A timeout of Fastify's has answered already.
    if (reply.sent) return false
    if (client.left) {
      // Nobody is there to be answered. Who has only ended his half still waits for our end.
      pending.socket.destroy()
      reply.hijack()
      return false
    }
    throw sessions.stopping ? new DrainingError() : error
  } finally {
    sessions.handshakes.delete(cancellation)
  }
}

function offerOf (request: FastifyRequest, reply: FastifyReply, strict: boolean | undefined): Offer {
  try {
    return readOffer(request.raw, strict)
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

/**
 * Makes the offer to one target after another until one responds. Where no connection comes about, every other is
 * tried; where one breaks, so many as `retries` says. A target that was silent is not replaced: it may have acted.
 */
async function firstResponse (upstream: Upstream, request: FastifyRequest, { route, offer, path }: Admitted, cancellation: Cancellation): Promise<{ result: OfferResult, target: Target, headers: HeaderList }> {
  const { rewriting, admission, websocket } = route
  const forwarding = forwardingOf(request, route.forwarding)
  const { bodyTimeout } = upstream
  const tried = new Set<Target>()
  let broken = 0
  let failure: unknown
  for (;;) {
    const target = upstream.select(tried)
    if (target === undefined) throw failure
    tried.add(target)
    let sent = false
    try {
      const received = admission.headers(hookHeaders(request), offer)
      const headers = rewriting.requestHeaders(handshakeHeaders(received, forwarding, target.address.host), request)
      const connection = await target.connect(cancellation, websocket.connectTimeout)
      sent = true
      const { handshakeTimeout: headersTimeout = 60_000, strict } = websocket
      const { maxHeaderSize } = target.policy
      return { result: await makeOffer(connection, { path, headers, offer, strict, headersTimeout, bodyTimeout, maxHeaderSize, cancellation }), target, headers }
    } catch (error) {
      if (cancellation.cancelled || !(error instanceof TargetUnreachableError)) throw error
      if (sent && broken++ >= upstream.retries) throw error
      failure = error
    }
  }
}

/** Sends the target's response to the client as it is. */
function relayRefusal (reply: FastifyReply, answer: TargetResponse, headers: HeaderList, bodyTimeout: number): FastifyReply {
  if (answer.status === 426 && headerValues(answer.headers, 'upgrade').some(value => listsToken(value, 'websocket'))) nameUpgrade(reply)
  const { socket } = reply.raw
  // A client that does not read stands still too, though the target may be done. A server may be given any Duplex for a
  // connection (the event 'connection' of Node's); one that is in this process has no timeout.
  if (socket instanceof Socket) socket.setTimeout(bodyTimeout, () => reply.raw.destroy())
  return sendResponse(reply, { ...answer, headers })
}

/** Where a session goes, and until when. */
interface SessionEnds { upstream: Upstream, target: Target, end: SessionOptions['end'] }

function openSession (request: FastifyRequest, reply: FastifyReply, pending: PendingUpgrade, accepted: Extract<OfferResult, { accepted: true }>, headers: HeaderList, { route, sessions, leave }: Admitted, { upstream, target, end }: SessionEnds): void {
  const response = reply.raw
  const { websocket } = route
  const sent = headersOf101(reply, headers)

  reply.hijack()
  response.detachSocket(pending.socket as Socket)
  pending.release()
  const { pingInterval = 30_000 } = websocket
  const client = prepareForFrames(pending.socket, pending.head, pingInterval)
  const server = prepareForFrames(accepted.socket, accepted.head, pingInterval)
  client.write(headOf101(accepted.message, sent), 'latin1')
  // For onResponse hooks; what the reply tells of itself would hide it.
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  showHeaders(response, sent)

  const session = new LiveSession({
    request,
    route: route.url,
    upstream: upstream.name,
    target: target.address.origin,
    subprotocol: chosenProtocols(accepted.headers)[0]
  }, {
    client,
    target: server,
    allowedRsv: rsvBits(accepted.headers),
    end,
    closeTimeout: websocket.closeTimeout ?? 5_000,
    codes: { loss: websocket.lossCode, idle: websocket.idleCode, lifetime: websocket.lifetimeCode },
    strict: websocket.strict,
    maxFrameSize: websocket.maxFrameSize,
    maxMessageSize: websocket.maxMessageSize,
    messageRate: websocket.messageRate,
    watch: {
      idleTimeout: websocket.idleTimeout,
      pingInterval,
      pongTimeout: websocket.pongTimeout ?? 90_000,
      stallTimeout: websocket.stallTimeout ?? 60_000
    }
  }, (session, end) => {
    sessions.delete(session)
    leave()
    const { id, target, subprotocol } = session
    request.log.info({ session: { id, target, subprotocol: redactedProtocol(subprotocol), ...end } }, 'websocket session ended')
    callHook(request, () => websocket.onSessionEnd?.(session, end))
    // Runs the onResponse hooks of the route, and with them Fastify's own log line.
    response.statusCode = 101
    pending.beforeFinish?.()
    response.emit('finish')
  })
  sessions.add(session)
  session.relay.start()
  callHook(request, () => websocket.onSession?.(session))
}

/** A hook of the app that throws must not take the session, or the process, with it. */
function callHook (request: FastifyRequest, hook: () => unknown): void {
  const report = (err: unknown) => request.log.error({ err }, 'a session hook failed')
  try {
    Promise.resolve(hook()).catch(report)
  } catch (error) {
    report(error)
  }
}

/** The headers of the response to the client: the target's, with the upgrade of this hop. */
function headersOf101 (reply: FastifyReply, headers: HeaderList): HeaderList {
  reply.removeHeader('connection')
  const sent: HeaderList = ['Upgrade', 'websocket', 'Connection', 'Upgrade']
  const merged = mergedHeaders(reply, headers)
  for (let index = 0; index < merged.length; index += 2) {
    const name = merged[index]!
    const value = merged[index + 1]!
    // A 101 has no body (RFC 9110 §8.6), so it must not look as if it had.
    if (name.toLowerCase() === 'content-length') continue
    // A hook may have set anything.
    validateHeaderValue(name, value)
    sent.push(name, value)
  }
  return sent
}

function headOf101 (message: string, headers: HeaderList): string {
  const lines = [`HTTP/1.1 101 ${reasonPhrase(101, message)}`, ...headerPairs(headers).map(([name, value]) => `${name}: ${value}`)]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/**
 * Milliseconds of silence after which the system probes a connection; Node makes it ten probes, a second apart. A
 * network that fails for ten seconds should not end a session that was used a moment ago.
 */
const KEEP_ALIVE_DELAY = 60_000

/**
 * Limits meant for HTTP end here, and a small frame is not to wait for another (Nagle). The system probes a connection
 * on which nothing is under way. A Ping that comes first is something, and the system's questions would never be asked.
 */
function prepareForFrames (socket: Duplex, head: Buffer, pingInterval: number | false): Duplex {
  if ('setTimeout' in socket) {
    (socket as Socket).setTimeout(0).setNoDelay(true)
    if (pingInterval === false || pingInterval > KEEP_ALIVE_DELAY) (socket as Socket).setKeepAlive(true, KEEP_ALIVE_DELAY)
  }
  unread(socket, head)
  return readShared(socket)
}

function discard (result: OfferResult): void {
  if (result.accepted) result.socket.destroy()
  else result.answer.body.destroy()
}
