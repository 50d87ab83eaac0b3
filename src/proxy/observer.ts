import type { TargetChange } from '../upstreams/standing.js'
import type { Exchange, ExchangeEvents, Outcome } from './exchange.js'

/** Sees what becomes of exchanges. It is called at once, and must neither wait nor throw. */
export interface Observer {
  /** The handler of a route has begun. */
  onStart? (exchange: Exchange): void
  /** A target has been chosen: `exchange.target`, for the attempt number `exchange.attempts`. */
  onAttempt? (exchange: Exchange): void
  /** The attempt has failed; another may follow. */
  onAttemptFailed? (exchange: Exchange, error: Error): void
  /** A session has opened: `exchange.session`. */
  onSession? (exchange: Exchange): void
  /**
   * The session's target was lost, and it has another connection to one: `exchange.target`. With an error, it has none, and
   * ends.
   */
  onReconnect? (exchange: Exchange, attempt: number, error: Error | undefined): void
  /** The exchange is over; called once. */
  onEnd? (exchange: Exchange, outcome: Outcome): void
  /** The state or the health of a target has changed. */
  onTargetChange? (change: TargetChange): void
}

/** All observers of a gateway. */
export class Observers implements ExchangeEvents {
  active = false
  readonly #observers: Observer[] = []

  add (observer: Observer): void {
    this.#observers.push(observer)
    this.active = true
  }

  remove (observer: Observer): void {
    const index = this.#observers.indexOf(observer)
    if (index !== -1) this.#observers.splice(index, 1)
    this.active = this.#observers.length > 0
  }

  onStart (exchange: Exchange): void {
    for (const observer of this.#observers) observer.onStart?.(exchange)
  }

  onAttempt (exchange: Exchange): void {
    for (const observer of this.#observers) observer.onAttempt?.(exchange)
  }

  onAttemptFailed (exchange: Exchange, error: Error): void {
    for (const observer of this.#observers) observer.onAttemptFailed?.(exchange, error)
  }

  onSession (exchange: Exchange): void {
    for (const observer of this.#observers) observer.onSession?.(exchange)
  }

  onReconnect (exchange: Exchange, attempt: number, error: Error | undefined): void {
    for (const observer of this.#observers) observer.onReconnect?.(exchange, attempt, error)
  }

  onEnd (exchange: Exchange, outcome: Outcome): void {
    for (const observer of this.#observers) observer.onEnd?.(exchange, outcome)
  }

  onTargetChange (change: TargetChange): void {
    for (const observer of this.#observers) observer.onTargetChange?.(change)
  }
}

/** The same observer, where what it throws goes to a function. */
export function safely (observer: Observer, onError: (error: unknown) => void): Observer {
  const safe = <Args extends unknown[]>(method: ((...args: Args) => void) | undefined): ((...args: Args) => void) | undefined => method === undefined
    ? undefined
    : (...args) => {
        try {
          method.apply(observer, args)
        } catch (error) {
          onError(error)
        }
      }
  const { onStart, onAttempt, onAttemptFailed, onSession, onReconnect, onEnd, onTargetChange } = observer
  return Object.fromEntries(Object.entries({
    onStart: safe(onStart), onAttempt: safe(onAttempt), onAttemptFailed: safe(onAttemptFailed), onSession: safe(onSession), onReconnect: safe(onReconnect), onEnd: safe(onEnd), onTargetChange: safe(onTargetChange)
  }).filter(([, method]) => method !== undefined))
}
