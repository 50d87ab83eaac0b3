import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { PendingUpgrade } from '../../listener/pending-upgrade.js'
import type { HeaderList } from '../../message/headers.js'
import { showHeaders } from '../../message/response-headers.js'
import { readShared, unread } from '../../net/shared-reads.js'
import type { Exchange } from '../../proxy/exchange.js'
import type { Admission } from '../../proxy/policy.js'
import { LiveSession } from '../live-session.js'
import type { PassthroughRoute } from '../route.js'
import { snapshotOf } from '../session-request.js'
import type { Sessions } from '../sessions.js'
import type { OfferResult } from './make-offer.js'
import { headersOf101, headOf101 } from './responses.js'
import { chosenProtocols, rsvBits } from './validation.js'

/** A handshake that a target has accepted. */
export interface AcceptedHandshake {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: PassthroughRoute
  readonly exchange: Exchange
  readonly sessions: Sessions
}

/**
 * Relays the target's 101 and joins the two connections to a session.
 *
 * @param headers Those of the 101, for the client.
 * @throws {TypeError} for a header that a hook has set and that none may be; then nothing has been sent.
 */
export function openSession ({ request, reply, route, exchange, sessions }: AcceptedHandshake, pending: PendingUpgrade, accepted: Extract<OfferResult, { accepted: true }>, headers: HeaderList, { endsAt, rates }: Admission): void {
  const response = reply.raw
  const { websocket } = route
  const { log } = request
  const sent = headersOf101(reply, headers)

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

  const session = new LiveSession({
    request: snapshotOf(request, route.url),
    route: route.url,
    upstream: exchange.upstream!,
    endpoint: exchange.target!.endpoint,
    subprotocol: chosenProtocols(accepted.headers)[0],
    onRemoved: websocket.onRemoved,
    onUnhealthy: websocket.onUnhealthy
  }, {
    client,
    target,
    allowedRsv: rsvBits(accepted.headers),
    end: endsAt,
    closeTimeout: websocket.closeTimeout,
    codes: { loss: websocket.lossCode, idle: websocket.idleCode, lifetime: websocket.lifetimeCode },
    strict: websocket.strict,
    maxFrameSize: websocket.maxFrameSize,
    maxMessageSize: websocket.maxMessageSize,
    rates,
    watch: {
      idleTimeout: websocket.idleTimeout,
      pingInterval,
      pongTimeout: websocket.pongTimeout,
      stallTimeout: websocket.stallTimeout
    }
  }, (session, end) => {
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
