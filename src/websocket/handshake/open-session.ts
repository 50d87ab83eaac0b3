import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { PendingUpgrade } from '../../listener/pending-upgrade.js'
import { acceptedDeflate, deflateHeader, type Deflate } from '../../message/extensions.js'
import { withoutHeaders, type HeaderList } from '../../message/headers.js'
import { showHeaders } from '../../message/response-headers.js'
import { inContext } from '../../net/async-context.js'
import type { Exchange } from '../../proxy/exchange.js'
import type { Admission } from '../../proxy/policy.js'
import { LiveSession } from '../live-session.js'
import { messageHandling } from '../messages/handling.js'
import type { PassthroughRoute } from '../route.js'
import { snapshotOf } from '../session-request.js'
import type { Sessions } from '../sessions.js'
import type { OfferResult } from './make-offer.js'
import { prepareForFrames } from './prepare-for-frames.js'
import { Reconnection, type UpstreamOfSession } from './reconnection.js'
import { headersOf101, headOf101 } from './responses.js'
import { chosenProtocols, rsvBits } from './validation.js'

/** A handshake that a target has accepted. */
export interface AcceptedHandshake {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: PassthroughRoute
  readonly exchange: Exchange
  readonly sessions: Sessions
  readonly upstreamOf: UpstreamOfSession
}

/**
 * Relays the target's 101 and joins the two connections to a session.
 *
 * @param headers Those of the 101, for the client, and those that were sent to the target.
 * @throws {TypeError} for a header that a hook has set and that none may be; then nothing has been sent.
 */
export function openSession (handshake: AcceptedHandshake, pending: PendingUpgrade, accepted: Extract<OfferResult, { accepted: true }>, headers: { received: HeaderList, sent: HeaderList }, { endsAt, offer, rates }: Admission): void {
  const { request, reply, route, exchange, sessions, upstreamOf } = handshake
  const response = reply.raw
  // The functions below live as long as the session. What leads to the app, such as the route, is not to be named in them.
  const { url, websocket, forwarding: { hostOfTarget } } = route
  const { log } = request
  // The response has been checked by now.
  const deflate = offer.withoutTakeover === true ? acceptedDeflate(accepted.headers) as Deflate | undefined : undefined
  const sent = headersOf101(reply, deflate === undefined ? headers.received : withExtensions(headers.received, deflateHeader(deflate)))

  reply.hijack()
  response.detachSocket(pending.socket as Socket)
  pending.release()
  forgetConnection(request.raw, pending.socket)
  const { pingInterval } = websocket
  const client = prepareForFrames(pending.socket, pending.head, pingInterval)
  const target = prepareForFrames(accepted.socket, accepted.head, pingInterval)
  client.write(headOf101(accepted.message, sent), 'latin1')
  // For onResponse hooks; what the reply tells of itself would hide it.
  for (const name in reply.getHeaders()) reply.removeHeader(name)
  showHeaders(response, sent)

  const { onPong } = websocket
  const onClose = websocket.messages?.onClose
  const session = new LiveSession({
    request: snapshotOf(request, url),
    route: url,
    upstream: exchange.upstream!,
    endpoint: exchange.target!.endpoint,
    subprotocol: chosenProtocols(accepted.headers)[0],
    onRemoved: websocket.onRemoved,
    onUnhealthy: websocket.onUnhealthy
  }, session => ({
    client,
    target,
    messages: messageHandling(websocket, session, deflate),
    replacement: websocket.reconnect === undefined
      ? undefined
      : new Reconnection(websocket.reconnect, { session, exchange, websocket, offer, deflate, headers: headers.sent, hostOfTarget, upstreamOf }),
    onHookError: err => log.error({ err, session: session.id, route: url }, 'a hook for messages failed, and so the session ends'),
    onPeerClose: onClose === undefined ? undefined : inContext((from, code, reason) => callHook(log, () => onClose(code, reason, session, from))),
    allowedRsv: rsvBits(accepted.headers),
    end: endsAt,
    closeTimeout: websocket.closeTimeout,
    codes: { loss: websocket.lossCode, idle: websocket.idleCode, lifetime: websocket.lifetimeCode },
    strict: websocket.strict,
    maxFrameSize: websocket.maxFrameSize,
    maxMessageSize: websocket.maxMessageSize,
    onPong: onPong === undefined ? undefined : from => callHook(log, () => onPong(session, from)),
    rates,
    watch: {
      idleTimeout: websocket.idleTimeout,
      pingInterval,
      pongTimeout: websocket.pongTimeout,
      stallTimeout: websocket.stallTimeout
    }
  }), (session, end) => {
    sessions.delete(session)
    exchange.fromClient = end.fromClient.bytes
    exchange.fromTarget = end.fromTarget.bytes
    exchange.end(end.by, end.reason, 101, undefined, end)
    const { onSessionEnd } = websocket
    if (onSessionEnd !== undefined) callHook(log, () => onSessionEnd(session, end))
  })
  exchange.open(session, session.request)
  sessions.add(session)
  session.relay.start()
  // The response is done: this runs the onResponse hooks of the route.
  response.statusCode = 101
  pending.leaveHttp()
  response.emit('finish')
  const { onSession } = websocket
  if (onSession !== undefined) callHook(log, () => onSession(session))
}

function withExtensions (headers: HeaderList, value: string): HeaderList {
  return [...withoutHeaders(headers, ['sec-websocket-extensions']), 'Sec-WebSocket-Extensions', value]
}

/** Stands for a connection that is a session's. */
const SPENT = new Duplex()
SPENT.destroy()

/**
 * Neighbours keep the connection with the request, under symbols of their own: @fastify/websocket destroys it after the
 * response, in a hook that runs for our 101, too.
 */
function forgetConnection (raw: IncomingMessage, socket: Duplex): void {
  for (const key of Object.getOwnPropertySymbols(raw)) {
    if (Reflect.get(raw, key) === socket) Reflect.set(raw, key, SPENT)
  }
}

/** A hook of the app that throws must not take the session, or the process, with it. */
function callHook (log: FastifyBaseLogger, hook: () => unknown): void {
  const report = (err: unknown) => log.error({ err }, 'a session hook failed')
  try {
    Promise.resolve(hook()).catch(report)
  } catch (error) {
    report(error)
  }
}
