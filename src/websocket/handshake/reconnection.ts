import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { acceptedDeflate, deflateHeader, type Deflate } from '../../message/extensions.js'
import { headerIndex, type HeaderList } from '../../message/headers.js'
import type { Offer } from '../../message/offer.js'
import type { Cancellation } from '../../net/cancellation.js'
import type { Exchange } from '../../proxy/exchange.js'
import { propagate } from '../../proxy/route.js'
import type { Target } from '../../upstreams/target.js'
import type { Upstream } from '../../upstreams/upstream.js'
import type { LiveSession } from '../live-session.js'
import type { Replacement } from '../relay/target-change.js'
import type { Reconnect, SessionOptions } from '../route.js'
import { discard, firstResponse } from './first-response.js'
import type { OfferResult } from './make-offer.js'
import { prepareForFrames } from './prepare-for-frames.js'
import { chosenProtocols } from './validation.js'

/** Finds the upstream for a session in what is configured now; undefined where its route is gone. */
export type UpstreamOfSession = (session: Pick<LiveSession, 'route' | 'upstream'>) => Upstream | undefined

/** What a handshake leaves behind, to be made again. Nothing of it leads to the app of its generation. */
export interface MadeHandshake {
  session: LiveSession
  exchange: Exchange
  websocket: SessionOptions
  offer: Offer
  deflate: Deflate | undefined
  /** Those that the target was sent. */
  headers: HeaderList
  /** Whether Host names the target. */
  hostOfTarget: boolean
  upstreamOf: UpstreamOfSession
}

/** No other target can go on where the one before has ended. */
class FinalError extends Error {}

/** Makes the handshake of a session again. */
export class Reconnection implements Replacement {
  readonly codes: ReadonlySet<number> | 'all'
  readonly #options: Reconnect
  readonly #made: MadeHandshake
  /** The number of the attempt. */
  #attempt = 0

  constructor (options: Reconnect, made: MadeHandshake) {
    this.codes = options.codes === 'all' ? 'all' : new Set(options.codes)
    this.#options = options
    this.#made = made
  }

  async connect (cancellation: Cancellation): Promise<Duplex> {
    const { exchange, session, upstreamOf } = this.#made
    const { attempts } = this.#options
    const { endpoint } = session
    exchange.leaveTarget()
    endpoint.queues.serve()
    try {
      for (this.#attempt = 1; ; this.#attempt++) {
        if (upstreamOf(session) === undefined) throw new FinalError('the route of the session is gone')
        await pause(this.#delay(), cancellation)
        try {
          return await this.#makeHandshake(cancellation)
        } catch (error) {
          if (cancellation.cancelled || error instanceof FinalError || this.#attempt >= attempts) throw error
        }
      }
    } catch (error) {
      exchange.leaveTarget()
      exchange.retry(undefined)
      if (!cancellation.cancelled) exchange.reconnected(this.#attempt, error as Error)
      throw error
    }
  }

  async onConnected (): Promise<void> {
    const { session, exchange } = this.#made
    try {
      await this.#options.onReconnect?.(session, this.#attempt)
    } catch (err) {
      exchange.log.error({ err, session: session.id }, 'a session hook failed')
    }
  }

  #delay (): number {
    const { delay, maxDelay, jitter } = this.#options
    const given = typeof delay === 'function' ? delay(this.#attempt) : delay * 2 ** (this.#attempt - 1)
    return Math.min(given, maxDelay) * (1 - Math.random() * jitter)
  }

  async #makeHandshake (cancellation: Cancellation): Promise<Duplex> {
    const { session, exchange, websocket, offer, upstreamOf } = this.#made
    const { timeout } = this.#options
    const upstream = upstreamOf(session)
    if (upstream === undefined) throw new FinalError('the route of the session is gone')
    const key = randomBytes(16).toString('base64')
    const { result } = await firstResponse({
      exchange,
      upstream,
      offer: { ...offer, key },
      limits: timeout === undefined ? websocket : { ...websocket, connectTimeout: timeout, handshakeTimeout: timeout },
      cancellation,
      headersFor: target => this.#headersFor(target, key),
      isWanted: () => true
    })
    const fault = cancellation.reason ?? this.#faultOf(result)
    if (fault !== undefined || !result.accepted) {
      discard(result)
      throw fault
    }
    exchange.retry(undefined)
    session.endpoint = exchange.target!.endpoint
    exchange.reconnected(this.#attempt)
    return prepareForFrames(result.socket, result.head, websocket.pingInterval)
  }

  /** The same headers, but for what belongs to this target and this handshake. */
  #headersFor ({ address }: Target, key: string): HeaderList {
    const { exchange, headers, hostOfTarget } = this.#made
    const own = [...propagate(exchange, headers)]
    const host = headerIndex(own, 'host')
    if (hostOfTarget && host !== -1) own[host + 1] = address.host
    own[headerIndex(own, 'sec-websocket-key') + 1] = key
    return own
  }

  /** Why the session cannot go on with this response. */
  #faultOf (result: OfferResult): Error | undefined {
    if (!result.accepted) {
      const { status } = result.response
      // What is asked for is refused, not only now.
      const isFinal = status < 500 && status !== 408 && status !== 425 && status !== 429
      return new (isFinal ? FinalError : Error)(`the target has refused the handshake with ${status}`)
    }
    const { session, deflate, offer } = this.#made
    const subprotocol = chosenProtocols(result.headers)[0]
    if (subprotocol !== session.subprotocol) return new FinalError(`the target chose the subprotocol '${subprotocol ?? ''}', which is not that of the session`)
    const accepted = offer.withoutTakeover === true ? acceptedDeflate(result.headers) as Deflate | undefined : undefined
    const same = (accepted === undefined ? '' : deflateHeader(accepted)) === (deflate === undefined ? '' : deflateHeader(deflate))
    return same ? undefined : new FinalError('the target chose other extensions than those of the session')
  }
}

/** @throws The reason of the cancellation. */
function pause (milliseconds: number, cancellation: Cancellation): Promise<void> {
  return new Promise((resolve, reject) => {
    if (cancellation.reason !== undefined) return reject(cancellation.reason)
    const timer = setTimeout(() => {
      cancellation.listener = undefined
      resolve()
    }, milliseconds)
    cancellation.listener = reason => {
      clearTimeout(timer)
      reject(reason)
    }
  })
}
