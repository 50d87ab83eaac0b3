import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClientLeftError, DrainingError, HandshakeInvalidError, HandshakeVersionError, isTemporary, sourceOf } from '../../errors.js'
import { wasCut } from '../../listener/cut-connections.js'
import { RETRY_AFTER } from '../../listener/draining.js'
import type { PendingUpgrade } from '../../listener/pending-upgrade.js'
import type { Upgrades } from '../../listener/upgrades.js'
import type { Offer } from '../../message/offer.js'
import { Exchange } from '../../proxy/exchange.js'
import { admit, type Admission } from '../../proxy/policy.js'
import { handshakeToTarget, headersToClient } from '../../proxy/route.js'
import type { PassthroughRoute } from '../route.js'
import type { Sessions } from '../sessions.js'
import { discard, firstResponse } from './first-response.js'
import { openSession, type AcceptedHandshake } from './open-session.js'
import type { UpstreamOfSession } from './reconnection.js'
import { nameUpgrade, relayRefusal } from './responses.js'
import { readOffer } from './validation.js'
import { WaitingClient } from './waiting-client.js'

/** What a passthrough needs of its gateway. */
export interface PassthroughContext {
  upgrades: Upgrades
  sessions: Sessions
  /** The upstream for a session that needs another target; undefined where its route is gone. */
  upstreamOf: UpstreamOfSession
}

/**
 * Responds to a request for a WebSocket: steps 2 to 7 of 'A WebSocket's way through' (docs/life-of-a-request.md).
 * What it throws goes to the error handler of the route, and so to the client as a refusal.
 */
export function passThrough (request: FastifyRequest, reply: FastifyReply, route: PassthroughRoute, context: PassthroughContext): Promise<FastifyReply> {
  return new Handshake(request, reply, route, context).run()
}

/** A handshake through the gateway. */
class Handshake implements AcceptedHandshake {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: PassthroughRoute
  readonly sessions: Sessions
  readonly upstreamOf: UpstreamOfSession
  readonly exchange: Exchange
  readonly #upgrades: Upgrades
  /** Why it ends with an error. */
  #error: Error | undefined
  /** It ends with a response of the target's other than a 101. */
  #refused = false

  constructor (request: FastifyRequest, reply: FastifyReply, route: PassthroughRoute, { upgrades, sessions, upstreamOf }: PassthroughContext) {
    this.request = request
    this.reply = reply
    this.route = route
    this.sessions = sessions
    this.upstreamOf = upstreamOf
    this.#upgrades = upgrades
    this.exchange = new Exchange('handshake', route.url, request, route.observers)
  }

  /** @throws The error that becomes the response. */
  async run (): Promise<FastifyReply> {
    const { reply } = this
    // For every response but a 101: behind a handshake nothing else may come on the connection.
    reply.header('connection', 'close')
    reply.raw.once('finish', this.#onResponded).once('close', this.#onResponded)
    try {
      await this.#run()
      return reply
    } catch (error) {
      this.#error = error as Error
      if (isTemporary(error)) reply.header('retry-after', RETRY_AFTER)
      throw error
    }
  }

  async #run (): Promise<void> {
    const { request, reply, route, sessions } = this
    route.check(request)
    const offer = this.#readOffer()
    const pending = !route.websocket.strict ? await this.#upgrades.takeLate(request.raw, reply.raw) : this.#upgrades.take(request.raw)
    if (pending === undefined) throw new HandshakeInvalidError('this connection cannot be upgraded')
    const client = new WaitingClient(pending.socket)
    sessions.handshakes.add(client.cancellation)
    try {
      if (sessions.stopping) throw new DrainingError()
      await this.#serve(pending, offer, client)
    } catch (error) {
      client.settle()
      // A timeout of Fastify's has responded already.
      if (reply.sent) return
      if (client.left) {
        // There is no client to respond to. One that has only ended its half still waits for our end.
        this.#endWithoutClient(pending.socket, undefined)
        pending.socket.destroy()
        reply.hijack()
        return
      }
      throw sessions.stopping ? new DrainingError() : error
    } finally {
      sessions.handshakes.delete(client.cancellation)
    }
  }

  async #serve (pending: PendingUpgrade, offer: Offer, client: WaitingClient): Promise<void> {
    const { request, reply, route, exchange } = this
    const { cancellation } = client
    const admission: Admission = { request, exchange, offer, narrow: headers => headers, endsAt: undefined, rates: undefined }
    const admitted = admit(route.policies, admission)
    if (admitted !== undefined) await admitted
    exchange.path = route.rewriting.path(request)
    const upstream = await route.chooseHandshakeUpstream(request)
    // The client has left while it was being chosen.
    if (cancellation.reason !== undefined) throw cancellation.reason
    const { result, headers } = await firstResponse({
      exchange,
      upstream,
      offer: admission.offer,
      limits: route.websocket,
      cancellation,
      headersFor: target => handshakeToTarget(route, request, target.address, exchange, admission.narrow),
      isWanted: () => !reply.sent
    })
    try {
      if (cancellation.reason !== undefined) throw cancellation.reason
      if (reply.sent) return discard(result)
      client.settle()
      if (result.accepted) {
        const received = headersToClient(route, exchange, request, result.headers, upstream, headers)
        openSession(this, pending, result, { received, sent: headers }, admission)
      } else {
        const received = headersToClient(route, exchange, request, result.response.headers, upstream, headers)
        exchange.responseHeaders = received
        relayRefusal(reply, result.response, received, upstream.bodyTimeout)
        this.#refused = true
      }
    } catch (error) {
      discard(result)
      throw error
    }
  }

  #readOffer (): Offer {
    try {
      return readOffer(this.request.raw, this.route.websocket.strict)
    } catch (error) {
      // RFC 6455 §4.4.
      if (error instanceof HandshakeVersionError) nameUpgrade(this.reply).header('sec-websocket-version', '13')
      throw error
    }
  }

  /** The client has left, or was cut off as the gateway stops. */
  #endWithoutClient (socket: Duplex, status: number | undefined): void {
    if (wasCut(socket)) this.exchange.end('gateway', 'drain', status, new DrainingError())
    else this.exchange.end('client', 'left', status, new ClientLeftError())
  }

  /** The response is done, or nobody waits for it any more. A session has an end of its own. */
  readonly #onResponded = (): void => {
    const { exchange, request, reply: { raw } } = this
    if (exchange.session !== undefined) return
    const status = raw.headersSent ? raw.statusCode : undefined
    if (!raw.writableFinished && !raw.writableEnded) this.#endWithoutClient(request.raw.socket, status)
    else if (this.#error !== undefined) exchange.end(sourceOf(this.#error), 'error', status, this.#error)
    else if (this.#refused) exchange.end('target', 'refused', status)
    else exchange.end('gateway', 'replaced', status)
  }
}
