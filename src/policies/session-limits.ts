import { ClientFullError, RouteFullError } from '../errors.js'
import type { Admission, Policy } from '../proxy/policy.js'

/** How many sessions a route may have at a time, handshakes under way included; undefined for no limit. */
export interface SessionLimits {
  total: number | undefined
  perClient: number | undefined
}

/** The sessions of a route. They outlive a reload, and so do these numbers. */
export class SessionCounts {
  #total = 0
  readonly #byClient = new Map<string, number>()

  get total (): number {
    return this.#total
  }

  of (client: string): number {
    return this.#byClient.get(client) ?? 0
  }

  add (client: string): void {
    this.#total++
    this.#byClient.set(client, this.of(client) + 1)
  }

  remove (client: string): void {
    this.#total--
    const left = this.of(client) - 1
    if (left === 0) this.#byClient.delete(client)
    else this.#byClient.set(client, left)
  }
}

/** Holds a route to its `maxSessions` and `maxSessionsPerClient`. */
export class SessionLimitPolicy implements Policy {
  readonly #limits: SessionLimits
  readonly #counts: SessionCounts

  constructor (limits: SessionLimits, counts: SessionCounts) {
    this.#limits = limits
    this.#counts = counts
  }

  /**
   * Takes a place, until the end of the exchange.
   *
   * @throws {ClientFullError | RouteFullError} if a limit is reached.
   */
  admit ({ request: { ip }, exchange }: Admission): void {
    const { total, perClient } = this.#limits
    if (perClient !== undefined && this.#counts.of(ip) >= perClient) throw new ClientFullError()
    if (total !== undefined && this.#counts.total >= total) throw new RouteFullError()
    this.#counts.add(ip)
    exchange.lease(() => this.#counts.remove(ip))
  }
}
