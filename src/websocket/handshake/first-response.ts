import type { HeaderList } from '../../message/headers.js'
import type { Offer } from '../../message/offer.js'
import { cancelledWith, type Cancellation } from '../../net/cancellation.js'
import { pathAt } from '../../net/target-address.js'
import { Attempts, firstTarget } from '../../proxy/attempts.js'
import type { Exchange } from '../../proxy/exchange.js'
import type { Target } from '../../upstreams/target.js'
import type { Upstream } from '../../upstreams/upstream.js'
import type { SessionOptions } from '../route.js'
import { makeOffer, type OfferResult } from './make-offer.js'

/** A handshake for the targets of an upstream. */
export interface TargetHandshake {
  exchange: Exchange
  upstream: Upstream
  offer: Offer
  limits: Pick<SessionOptions, 'connectTimeout' | 'handshakeTimeout' | 'strict'>
  cancellation: Cancellation
  /** @throws What a function of the route throws. */
  headersFor (target: Target): HeaderList
  /** Whether somebody waits for its response still. */
  isWanted (): boolean
}

/** The first response of a target, and the headers that it was sent. */
export interface FirstResponse {
  result: OfferResult
  headers: HeaderList
}

/**
 * Makes an offer to one target after another until one responds.
 *
 * @throws The error of the last attempt.
 */
export async function firstResponse ({ exchange, upstream, offer, limits, cancellation, headersFor, isWanted }: TargetHandshake): Promise<FirstResponse> {
  const { connectTimeout, handshakeTimeout: headersTimeout, strict } = limits
  const first = firstTarget(exchange, upstream)
  let target = first instanceof Promise ? await place(exchange, first, cancellation) : first
  let attempts: Attempts | undefined
  const nextAttempts = (): Attempts => (attempts ??= new Attempts(exchange, upstream))
  for (;;) {
    const attempt = { sent: false, kept: false, reused: false, queued: false, repeatable: true, sendable: true }
    // With a limit of its own, an attempt can be given up alone.
    const ownCancellation = upstream.attemptTimeout === undefined ? cancellation : cancelledWith(cancellation)
    if (ownCancellation !== cancellation) nextAttempts().limit(() => attempt, error => ownCancellation.cancel(error))
    try {
      const headers = headersFor(target)
      const connection = await target.connect(ownCancellation, connectTimeout)
      exchange.connectedAt = exchange.sentAt = performance.now()
      attempt.sent = true
      const result = await makeOffer(connection, { path: pathAt(target.address, exchange.path), headers, offer, strict, limits: { ...target.limits, headersTimeout }, cancellation: ownCancellation })
      exchange.firstByteAt = performance.now()
      upstream.succeed(target, result.accepted ? 101 : result.response.status)
      return { result, headers }
    } catch (error) {
      attempt.sendable = !cancellation.cancelled && isWanted()
      const next = nextAttempts().next(error as Error, attempt)
      if (next === undefined) throw error
      target = next instanceof Promise ? await place(exchange, next, cancellation) : next
    } finally {
      attempts?.unlimit()
      if (ownCancellation !== cancellation) cancellation.listener = undefined
    }
  }
}

/** Waits for a place at a target. */
async function place (exchange: Exchange, pending: Promise<Target>, cancellation: Cancellation): Promise<Target> {
  cancellation.listener = reason => exchange.stopWaiting?.(reason)
  try {
    return await pending
  } finally {
    cancellation.listener = undefined
  }
}

/** Nobody wants it any more. */
export function discard (result: OfferResult): void {
  if (result.accepted) result.socket.destroy()
  else result.response.body.destroy()
}
