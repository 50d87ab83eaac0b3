import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { acceptedDeflate, deflateHeader, type Deflate } from '../../message/extensions.js'
import { headerIndex, type HeaderList } from '../../message/headers.js'
import type { Offer } from '../../message/offer.js'
import { inContext } from '../../net/async-context.js'
import type { Cancellation } from '../../net/cancellation.js'
import type { DelayFunction, ReconnectFunction } from '../../options/index.js'
import { show } from '../../options/validate.js'
import type { Exchange } from '../../proxy/exchange.js'
import { Turns } from '../../net/turns.js'
import { propagate } from '../../proxy/route.js'
import type { Target } from '../../upstreams/target.js'
import type { EndReason } from '../../types.js'
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

/** Of all sessions: those of a target are lost together. */
const turns = new Turns()

/** Makes the handshake of a session again. */
export class Reconnection implements Replacement {
  readonly codes: ReadonlySet<number> | 'all'
  readonly onConnected: Replacement['onConnected']
  readonly #options: Reconnect
  readonly #made: MadeHandshake
  /** The target that has accepted the client's own handshake: what the client has of it, such as a sticky cookie, is good there. */
  readonly #first: Target
  /** The number of the attempt. */
  #attempt = 0
  #connectedAt = -Infinity

  constructor (options: Reconnect, made: MadeHandshake) {
    this.codes = options.codes === 'all' ? 'all' : new Set(options.codes)
    this.#options = options
    this.#made = made
    this.#first = made.exchange.target!
    const { onReconnect } = options
    if (onReconnect === undefined) return
    // Whoever lost the target has an async context of its own.
    this.onConnected = inContext((cancellation: Cancellation) => this.#call(onReconnect, cancellation))
  }

  get isPossible (): boolean {
    return this.#made.upstreamOf(this.#made.session) !== undefined
  }

  async connect (cancellation: Cancellation, reason: EndReason, planned: boolean): Promise<Duplex> {
    const { exchange } = this.#made
    const { attempts, maxDelay, stableAfter = maxDelay } = this.#options
    exchange.leave()
    // A connection that is lost soon goes on with the delays and the attempts that led to it, lest a target that accepts
    // and closes be asked for ever.
    if (planned || performance.now() - this.#connectedAt >= stableAfter) this.#attempt = 0
    let error = new FinalError(`${this.#attempt} attempts have led to no connection that lasts`)
    while (this.#attempt < attempts) {
      this.#attempt++
      try {
        await pause(this.#delay(reason), cancellation)
        await turns.take()
        if (cancellation.reason !== undefined) throw cancellation.reason
        const socket = await this.#makeHandshake(cancellation)
        this.#connectedAt = performance.now()
        exchange.retry(undefined)
        exchange.reconnected(this.#attempt)
        return socket
      } catch (fault) {
        error = fault as Error
        // Its place is given back for the time until the next attempt.
        exchange.leave()
        if (cancellation.cancelled || error instanceof FinalError) break
      }
    }
    if (!cancellation.cancelled) exchange.reconnected(this.#attempt, error)
    throw error
  }

  /** Has the app send its first messages. */
  #call (onReconnect: ReconnectFunction, cancellation: Cancellation): Promise<boolean> {
    const { session, exchange, websocket: { handshakeTimeout } } = this.#made
    return new Promise(resolve => {
      const settle = (isOfUse: boolean): void => {
        clearTimeout(timer)
        cancellation.listener = undefined
        resolve(isOfUse)
      }
      const fail = (err: unknown): void => {
        exchange.log.error({ err, session: session.id, route: session.route }, 'onReconnect failed, and so the connection to the target is given up')
        settle(false)
      }
      const timer = setTimeout(() => fail(new Error(`onReconnect has taken longer than ${handshakeTimeout} ms ('handshakeTimeout')`)), handshakeTimeout)
      cancellation.listener = () => settle(false)
      Promise.resolve().then(() => onReconnect(session, this.#attempt)).then(() => settle(true), fail)
    })
  }

  #delay (reason: EndReason): number {
    const { delay, maxDelay, jitter } = this.#options
    const given = typeof delay === 'function' ? this.#delayFrom(delay, reason) : delay * 2 ** (this.#attempt - 1)
    return Math.min(given, maxDelay) * (1 - Math.random() * jitter)
  }

  /** @throws {FinalError} for a function that fails: attempts without a delay would follow each other at once. */
  #delayFrom (delay: DelayFunction, reason: EndReason): number {
    let given: unknown
    try {
      given = delay(this.#attempt, this.#made.session, reason)
    } catch (cause) {
      throw new FinalError("the function in 'reconnect.delay' has thrown an error", { cause })
    }
    if (typeof given === 'number' && given >= 0) return given
    throw new FinalError(`the function in 'reconnect.delay' must return milliseconds, got ${show(given)}`)
  }

  async #makeHandshake (cancellation: Cancellation): Promise<Duplex> {
    const { session, exchange, websocket, offer } = this.#made
    const { timeout } = this.#options
    const upstream = this.#upstream
    // The client has this cookie from its own handshake at the latest.
    exchange.cookieTarget = upstream.sticky === undefined ? undefined : upstream.targets.find(({ endpoint }) => endpoint === this.#first.endpoint)
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
    const target = exchange.target!
    const fault = cancellation.reason ?? this.#faultOf(result) ?? this.#faultOfTarget(target)
    if (fault !== undefined || !result.accepted) {
      discard(result)
      exchange.failAttempt(fault!)
      throw fault
    }
    session.endpoint = target.endpoint
    session.upstream = upstream.name
    return prepareForFrames(result.socket, result.head, websocket.pingInterval)
  }

  /** @throws {FinalError} where the route is gone. */
  get #upstream (): Upstream {
    const upstream = this.#made.upstreamOf(this.#made.session)
    if (upstream === undefined) throw new FinalError('the route of the session is gone')
    return upstream
  }

  /** The same headers, but for what belongs to this target and this handshake. */
  #headersFor ({ address }: Target, key: string): HeaderList {
    const { exchange, headers, hostOfTarget } = this.#made
    const own = [...propagate(exchange, headers)]
    const replace = (name: string, value: string): void => {
      const index = headerIndex(own, name)
      if (index !== -1) own[index + 1] = value
    }
    // The route may have set another Host.
    if (hostOfTarget && own[headerIndex(own, 'host') + 1] === this.#first.address.host) replace('host', address.host)
    // A route that is not strict may do without a key.
    replace('sec-websocket-key', key)
    return own
  }

  /** A target may be taken out while its response is under way. */
  #faultOfTarget ({ endpoint }: Target): Error | undefined {
    const isThere = this.#upstream.targets.some(target => target.endpoint === endpoint && target.state !== 'maintenance')
    return isThere ? undefined : new Error('the target has been taken out')
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
