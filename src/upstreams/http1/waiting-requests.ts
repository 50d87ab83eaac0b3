import { TargetBusyError } from '../../errors.js'
import type { PendingExchange } from './pending-exchange.js'

/** Requests that wait for one of a target's connections, as there may be no more of these; first come, first served. */
export class WaitingRequests {
  readonly #limit: number
  readonly #timeout: number
  /** Each with its limit in time. */
  readonly #waiting = new Map<PendingExchange, NodeJS.Timeout>()

  /**
   * @param limit How many may wait.
   * @param timeout How long, in milliseconds.
   */
  constructor (limit: number, timeout: number) {
    this.#limit = limit
    this.#timeout = timeout
  }

  get size (): number {
    return this.#waiting.size
  }

  /** Has a request wait; it fails, after the call, where too many do. */
  add (exchange: PendingExchange): void {
    if (this.#waiting.size >= this.#limit) {
      queueMicrotask(() => exchange.fail(new TargetBusyError({ cause: new Error(`all connections are in use, and ${this.#limit} requests wait for one`) })))
      return
    }
    exchange.queued = true
    const timer = setTimeout(() => exchange.fail(new TargetBusyError({ cause: new Error(`no connection became free within ${this.#timeout} ms`) })), this.#timeout).unref()
    this.#waiting.set(exchange, timer)
    exchange.cancellation.listener = () => { this.#remove(exchange) }
  }

  /** The one that has waited longest; it no longer waits. */
  shift (): PendingExchange | undefined {
    const exchange = this.#waiting.keys().next().value
    if (exchange !== undefined) this.#remove(exchange)
    return exchange
  }

  #remove (exchange: PendingExchange): void {
    clearTimeout(this.#waiting.get(exchange))
    this.#waiting.delete(exchange)
    exchange.cancellation.listener = undefined
  }
}
