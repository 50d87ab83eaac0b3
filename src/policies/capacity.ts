/** How many sessions a route may have at a time, handshakes under way included. */
export interface CapacityLimits {
  total?: number | undefined
  perClient?: number | undefined
}

/** Counts a route's sessions against its limits. */
export class Capacity {
  readonly #limits: CapacityLimits
  readonly #byClient = new Map<string, number>()
  #total = 0

  constructor (limits: CapacityLimits) {
    this.#limits = limits
  }

  /** Takes a place for a client, or tells which limit is reached. */
  take (client: string): 'taken' | 'route full' | 'client full' {
    const { total, perClient } = this.#limits
    const own = this.#byClient.get(client) ?? 0
    if (perClient !== undefined && own >= perClient) return 'client full'
    if (total !== undefined && this.#total >= total) return 'route full'
    this.#total++
    // Nobody asks for these numbers without the limit.
    if (perClient !== undefined) this.#byClient.set(client, own + 1)
    return 'taken'
  }

  /** Gives a place back. */
  release (client: string): void {
    this.#total--
    const own = this.#byClient.get(client)
    if (own === undefined) return
    if (own === 1) this.#byClient.delete(client)
    else this.#byClient.set(client, own - 1)
  }
}
