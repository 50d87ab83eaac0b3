import type { Socket } from 'node:net'
import { AttemptTimeoutError, isRetryable, NoTargetError, TargetBusyError } from '../errors.js'
import type { Target } from '../upstreams/target.js'
import type { Upstream } from '../upstreams/upstream.js'
import type { Exchange } from './exchange.js'

/** What is known of an attempt that has failed, or takes too long. */
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
 * @returns A promise where the limits of the upstream have it wait. It rejects with {TargetBusyError} when that is in
 *   vain, and when the exchange ends.
 * @throws {NoTargetError} when all targets are being drained.
 */
export function firstTarget (exchange: Exchange, upstream: Upstream, client?: Socket): Target | Promise<Target> {
  exchange.upstream = upstream.name
  const target = upstream.find(exchange, undefined, client)
  if (target === undefined) throw new NoTargetError()
  return target
}

/**
 * The attempts of an exchange behind the first, by one set of rules for requests and handshakes:
 *
 * - Only after an error that is retryable: not when the client has left, nor when a target was silent, since it may
 *   have acted; and never once a response has begun.
 * - Where nothing has been sent, every other target is tried, whatever the method. A request that has waited its time in
 *   the queue of one does not wait in the next.
 * - Where something has been sent, it must be repeatable, and `retries` of the upstream says how often, under its
 *   `retryBudget`. A single target is tried once more, on a new connection, where the one before may have been closed
 *   just as it was used.
 */
export class Attempts {
  readonly #exchange: Exchange
  readonly #upstream: Upstream
  readonly #client: Socket | undefined
  readonly #failed = new Set<Target>()
  #resent = 0
  #timer: NodeJS.Timeout | undefined

  constructor (exchange: Exchange, upstream: Upstream, client?: Socket) {
    this.#exchange = exchange
    this.#upstream = upstream
    this.#client = client
  }

  /** Whether the next attempt must not use a connection that was kept alive. */
  get anew (): boolean {
    return this.#resent > 0
  }

  /**
   * Begins the attempt that follows a failed one, and gives its target; a promise as `firstTarget()` does; undefined where
   * the error is final.
   */
  next (error: Error, attempt: FailedAttempt): Target | Promise<Target> | undefined {
    const exchange = this.#exchange
    const failed = exchange.target!
    this.unlimit()
    exchange.failAttempt(error)
    // That all of its connections are in use says nothing of the target's health.
    const hasOnlyWaited = attempt.queued && !attempt.sent && error instanceof AttemptTimeoutError
    if (!hasOnlyWaited) this.#upstream.fail(failed, error, attempt.reused)
    exchange.retry(undefined)
    if (!isRetryable(error) || !this.#mayFollow(attempt) || (attempt.queued && error instanceof TargetBusyError)) return undefined
    const { sent, kept } = attempt
    if (sent) {
      this.#resent++
      exchange.retry(this.#upstream.load)
    }
    if (sent && kept && this.#upstream.targets.length === 1 && this.#resent === 1) {
      exchange.choose(failed)
      return failed
    }
    this.#failed.add(failed)
    // Its place comes first to itself: it must not wait for the one that it has.
    exchange.leaveTarget()
    const next = this.#upstream.find(exchange, this.#failed, this.#client)
    failed.endpoint.queues.serve()
    return next
  }

  /**
   * Gives the attempt that has begun up when the upstream's `attemptTimeout` is over, if another could follow it then.
   *
   * @param soFar What is known of it by then.
   */
  limit (soFar: () => FailedAttempt, giveUp: (error: Error) => void): void {
    const timeout = this.#upstream.attemptTimeout
    this.unlimit()
    if (timeout === undefined) return
    this.#timer = setTimeout(() => {
      if (this.#mayMoveOn(soFar())) giveUp(new AttemptTimeoutError({ cause: new Error(`no response within ${timeout} ms`) }))
    }, timeout).unref()
  }

  /** It has a response, or has ended. */
  unlimit (): void {
    clearTimeout(this.#timer)
  }

  #mayMoveOn (attempt: FailedAttempt): boolean {
    return this.#mayFollow(attempt) && this.#upstream.hasOther(new Set([...this.#failed, this.#exchange.target!]))
  }

  #mayFollow ({ sent, repeatable, sendable }: FailedAttempt): boolean {
    if (!sendable || !sent) return sendable
    return repeatable && this.#resent < this.#upstream.retries && this.#upstream.retryBudget.allows
  }
}
