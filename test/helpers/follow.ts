import type { Test } from 'tap'
import type { TargetOptions } from '../../src/options/index.js'
import type { TargetSource } from '../../src/upstreams/discovery/source.js'

/** What comes, for those who wait for it, whoever is first. */
export class Arrivals<T> {
  readonly #arrived: T[] = []
  readonly #wanted: Array<(item: T) => void> = []

  push (item: T): void {
    const resolve = this.#wanted.shift()
    if (resolve === undefined) this.#arrived.push(item)
    else resolve(item)
  }

  /** The next one, in their order. */
  next (): Promise<T> {
    return this.#arrived.length > 0 ? Promise.resolve(this.#arrived.shift()!) : new Promise(resolve => this.#wanted.push(resolve))
  }

  /** How many have come that nobody has waited for. */
  get rest (): number {
    return this.#arrived.length
  }
}

/** What a source gives, until the test is over. */
export function follow (t: Test, source: TargetSource) {
  const end = new AbortController()
  const lists = new Arrivals<readonly TargetOptions[]>()
  const faults = new Arrivals<Error>()
  const over = (async () => {
    for await (const list of source({ signal: end.signal, report: error => faults.push(error) })) lists.push(list)
  })()
  t.teardown(() => {
    end.abort()
    return over
  })
  return {
    lists,
    /** The message of the next fault. */
    fault: async () => (await faults.next()).message,
    faults,
    /** Resolves when it has ended after this. */
    end: () => {
      end.abort()
      return over
    }
  }
}
