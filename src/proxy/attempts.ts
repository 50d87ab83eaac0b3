import type { Socket } from 'node:net'
import { isRetryable, NoTargetError, TargetBusyError } from '../errors.js'
import type { Target } from '../upstreams/target.js'
import type { Upstream } from '../upstreams/upstream.js'
import type { Exchange } from './exchange.js'

/** What is known of an attempt that has failed. */
export interface FailedAttempt {
  /** A connection was there, and the request, or some of it, has been written to it. */
  sent: boolean
  /** Its connection may have been kept alive from a request before it. */
  kept: boolean
  /** Its connection has carried a request before it. */
  reused: boolean
  /** It has waited for a connection. */
  queued: boolean
  /** Whether the request does no more when it is sent twice (RFC 9110 §9.2.2), and is still there to be sent. */
  repeatable: boolean
  /** Whether it can be sent at all any more: what is left of its body is gone otherwise. */
  sendable: boolean
}

/**
 * Begins the first attempt of an exchange.
 *
 * @param client A connection that a target has authenticated for it is worth more than a fair share.
 * @throws {NoTargetError} when all targets are being drained.
 */
export function firstTarget (exchange: Exchange, upstream: Upstream, client?: Socket): Target {
  exchange.upstream = upstream.name
  const target = upstream.select(exchange, undefined, client)
  if (target === undefined) throw new NoTargetError()
  exchange.choose(target)
  return target
}

/**
 * The attempts of an exchange behind the first, by one set of rules for requests and handshakes:
 *
 * - Only after an error that is retryable: not when the client has left, nor when a target was silent, since it may
 *   have acted; and never once a response has begun.
 * - Where nothing has been sent, every other target is tried, whatever the method. A request that has waited its time in
 *   the queue of one does not wait in the next.
 * - Where something has been sent, it must be repeatable, and `retries` of the upstream says how often. A single
 *   target is tried once more, on a new connection, where the one before may have been closed just as it was used.
 */
export class Attempts {
  readonly #exchange: Exchange
  readonly #upstream: Upstream
  readonly #client: Socket | undefined
  readonly #failed = new Set<Target>()
  #resent = 0

  constructor (exchange: Exchange, upstream: Upstream, client?: Socket) {
    this.#exchange = exchange
    this.#upstream = upstream
    this.#client = client
  }

  /** Whether the next attempt must not use a connection that was kept alive. */
  get anew (): boolean {
    return this.#resent > 0
  }

  /** Begins the attempt that follows a failed one, and gives its target; undefined where the error is final. */
  next (error: Error, attempt: FailedAttempt): Target | undefined {
    this.#exchange.failAttempt(error)
    this.#upstream.fail(this.#exchange.target!, error, attempt.reused)
    const target = this.#choose(error, attempt)
    if (target !== undefined) this.#exchange.choose(target)
    return target
  }

  #choose (error: Error, { sent, kept, queued, repeatable, sendable }: FailedAttempt): Target | undefined {
    const failed = this.#exchange.target!
    if (!isRetryable(error) || !sendable || (queued && error instanceof TargetBusyError)) return undefined
    if (sent) {
      if (!repeatable || this.#resent >= this.#upstream.retries) return undefined
      this.#resent++
      if (kept && this.#upstream.targets.length === 1 && this.#resent === 1) return failed
    }
    this.#failed.add(failed)
    return this.#upstream.select(this.#exchange, this.#failed, this.#client)
  }
}
