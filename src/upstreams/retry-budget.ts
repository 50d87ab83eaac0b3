import type { UpstreamLoad } from './load.js'

/** So many retries at a time are always allowed: a budget of a few requests would allow none. */
const LEAST = 3

/** Keeps retries from multiplying the load of targets that are overloaded already. */
export class RetryBudget {
  readonly #share: number
  readonly #load: UpstreamLoad

  /** @param share How many of the requests and handshakes under way may be retries. */
  constructor (share: number, load: UpstreamLoad) {
    this.#share = share
    this.#load = load
  }

  /** Whether there may be another one. */
  get allows (): boolean {
    const { requests, handshakes, retries } = this.#load
    return retries < Math.max(LEAST, this.#share * (requests + handshakes))
  }
}
