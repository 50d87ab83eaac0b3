import type { FastifyRequest } from 'fastify'
import { ClientFullError, HandshakeInvalidError, OriginForbiddenError, RouteFullError, SessionExpiredError } from '../errors.js'
import type { WebSocketOptions } from '../options/index.js'
import type { HeaderList } from '../message/headers.js'
import { Capacity } from './capacity.js'
import type { Offer } from '../message/offer.js'
import { originCheck } from './origin.js'

/** Which handshakes a route lets through to a target, and with what of their offer. */
export class Admission {
  readonly #options: WebSocketOptions
  readonly #allowsOrigin: ReturnType<typeof originCheck>
  readonly #capacity: Capacity

  constructor (options: WebSocketOptions) {
    this.#options = options
    this.#allowsOrigin = originCheck(options.origins ?? '*', options.requireOrigin ?? false)
    this.#capacity = new Capacity({ total: options.maxSessions, perClient: options.maxSessionsPerClient })
  }

  /**
   * What of a client's offer goes to the target.
   *
   * @throws {OriginForbiddenError} for a page that may not open a WebSocket here.
   * @throws {HandshakeInvalidError} when none of the subprotocols offered is let through.
   */
  offer (request: FastifyRequest, offer: Offer): Offer {
    // Traefik names a handshake's scheme in X-Forwarded-Proto.
    if (!this.#allowsOrigin(request.headers, request.host, /^(?:https|wss)$/.test(request.protocol))) throw new OriginForbiddenError()
    const { protocols, compression } = this.#options
    const allowed = protocols === undefined ? offer.protocols : offer.protocols.filter(protocol => protocols.includes(protocol))
    if (allowed.length === 0 && offer.protocols.length > 0) throw new HandshakeInvalidError('none of the subprotocols is allowed here')
    const extensions = compression !== 'off'
    return {
      key: offer.key,
      protocols: allowed,
      extensions: extensions ? offer.extensions : [],
      allowed: protocols === undefined && extensions ? undefined : { protocols, extensions }
    }
  }

  /** The client's headers, with what `offer` has left of them. */
  headers (headers: HeaderList, { protocols }: Offer): HeaderList {
    const { protocols: allowed, compression } = this.#options
    if (allowed === undefined && compression !== 'off') return headers
    const kept: HeaderList = []
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!.toLowerCase()
      if (name === 'sec-websocket-protocol' && allowed !== undefined) continue
      if (name === 'sec-websocket-extensions' && compression === 'off') continue
      kept.push(headers[index]!, headers[index + 1]!)
    }
    if (allowed !== undefined && protocols.length > 0) kept.push('Sec-WebSocket-Protocol', protocols.join(', '))
    return kept
  }

  /**
   * Takes one of the route's places.
   *
   * @returns What gives it back; to be called once.
   * @throws {ClientFullError | RouteFullError} when there is none.
   */
  enter (client: string): () => void {
    const outcome = this.#capacity.take(client)
    if (outcome === 'client full') throw new ClientFullError()
    if (outcome === 'route full') throw new RouteFullError()
    return () => this.#capacity.release(client)
  }

  /**
   * When a session of this request ends by itself, as `performance.now()` counts.
   *
   * @throws {SessionExpiredError} when that has been already.
   * @throws What `until` throws.
   */
  async end (request: FastifyRequest): Promise<{ at: number, reason: 'lifetime' | 'expired' } | undefined> {
    const { until, maxLifetime, lifetimeJitter = 0 } = this.#options
    const now = performance.now()
    const lifetime = maxLifetime === undefined ? Infinity : now + Math.max(maxLifetime - Math.random() * lifetimeJitter, 1)
    const date = await until?.(request)
    if (date !== undefined && date !== null) {
      const left = date.getTime() - Date.now()
      // No date at all (NaN) is none that lies ahead.
      if (!(left > 0)) throw new SessionExpiredError()
      if (now + left < lifetime) return { at: now + left, reason: 'expired' }
    }
    return lifetime === Infinity ? undefined : { at: lifetime, reason: 'lifetime' }
  }
}
