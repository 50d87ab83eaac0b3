import { TargetBusyError } from '../../errors.js'
import type { PendingExchange } from './pending-exchange.js'

/** Requests that wait for one of a target's connections, as there may be no more of these; first come, first served. */
export class WaitingRequests {
  /** Each with its limit in time. */
  readonly #waiting = new Map<PendingExchange, NodeJS.Timeout>()

  get size (): number {
    return this.#waiting.size
  }

  /** Has a request wait; it fails, after the call, where too many do. */
  add (exchange: PendingExchange): void {
    const { maxQueue, queueTimeout } = exchange.limits
    if (this.#waiting.size >= maxQueue) {
      queueMicrotask(() => exchange.fail(new TargetBusyError({ cause: new Error(`all connections are in use, and ${maxQueue} requests wait for one`) })))
      return
    }
    exchange.queued = true
    const timer = setTimeout(() => exchange.fail(new TargetBusyError({ cause: new Error(`no connection became free within ${queueTimeout} ms`) })), queueTimeout).unref()
    this.#waiting.set(exchange, timer)
    exchange.cancellation.listener = () => { this.#remove(exchange) }
  }

  /** The one that has waited longest. */
  get first (): PendingExchange | undefined {
    return this.#waiting.keys().next().value
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
