import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { DiscoveryOptions, TargetLists, TargetOptions } from '../../options/index.js'
import { sourceOf } from './index.js'
import type { TargetSource } from './source.js'
import { checkedTargets } from './target-list.js'

/** An upstream whose targets are found. */
export interface Follower {
  /** These are the targets now; all of them are valid. */
  onTargets (targets: readonly TargetOptions[]): void
  /** They could not be determined. */
  onFault (error: Error): void
}

/** What an upstream has of a discovery. */
export interface Following {
  /** Resolves when there is a first list, or the first reason why there is none. */
  readonly first: Promise<void>
  stop (): void
}

/** Milliseconds from one list to the next at least: a generator that never waits would leave no time for anything else. */
const PAUSE = 50
/** Milliseconds after which a fault that stays is reported again. */
const REPEATED = 60_000

/** The discoveries of a gateway. Upstreams of several configurations with the same options share one. */
export class Discoveries {
  readonly #running = new Map<string | TargetLists, Discovery>()

  /**
   * Follows where targets are found.
   *
   * @param where Whose they are, for errors.
   * @throws {OptionsInvalidError} for options that are not valid.
   */
  follow (targets: DiscoveryOptions | TargetLists, where: string, follower: Follower): Following {
    const key = isLists(targets) ? targets : `${where} ${JSON.stringify(targets)}`
    let discovery = this.#running.get(key)
    if (discovery === undefined) {
      discovery = new Discovery(isLists(targets) ? () => targets : sourceOf(targets, where), where)
      this.#running.set(key, discovery)
    }
    const found = discovery
    found.add(follower)
    return {
      first: found.first,
      stop: () => { if (found.remove(follower) && this.#running.get(key) === found) this.#running.delete(key) }
    }
  }

  /** Ends all. */
  close (): void {
    for (const discovery of this.#running.values()) discovery.stop()
    this.#running.clear()
  }
}

/** Finds the targets of upstreams, again and again. */
class Discovery {
  readonly first: Promise<void>
  readonly #where: string
  readonly #followers = new Set<Follower>()
  readonly #end = new AbortController()
  #last: readonly TargetOptions[] | undefined
  #onFirst!: () => void
  /** What was reported last, and when. */
  #fault = { message: '', at: 0 }

  constructor (source: TargetSource, where: string) {
    this.#where = where
    this.first = new Promise(resolve => { this.#onFirst = resolve })
    this.#run(source).finally(this.#onFirst)
  }

  add (follower: Follower): void {
    this.#followers.add(follower)
    if (this.#last !== undefined) follower.onTargets(this.#last)
  }

  /** @returns Whether it was the last one, so that it has ended. */
  remove (follower: Follower): boolean {
    if (!this.#followers.delete(follower) || this.#followers.size > 0) return false
    this.stop()
    return true
  }

  stop (): void {
    this.#end.abort()
  }

  async #run (source: TargetSource): Promise<void> {
    const { signal } = this.#end
    // Whoever follows it is there by then.
    await undefined
    try {
      const lists = source({ signal, report: error => this.#report(error) })[Symbol.asyncIterator]()
      for (;;) {
        const next = await nextOf(lists, signal)
        if (signal.aborted) Promise.resolve(lists.return?.()).catch(() => {})
        if (signal.aborted || next.done === true) return
        this.#take(next.value)
        await wait(PAUSE, undefined, { signal, ref: false }).catch(() => {})
      }
    } catch (error) {
      this.#report(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #take (given: unknown): void {
    let list
    try {
      list = structuredClone(checkedTargets(given, this.#where))
    } catch (error) {
      return this.#report(error as Error)
    }
    if (isDeepStrictEqual(list, this.#last)) return
    this.#last = list
    for (const follower of this.#followers) follower.onTargets(list)
    this.#onFirst()
  }

  #report (error: Error): void {
    if (this.#end.signal.aborted) return
    this.#onFirst()
    const { message, at } = this.#fault
    if (error.message === message && performance.now() - at < REPEATED) return
    this.#fault = { message: error.message, at: performance.now() }
    for (const follower of this.#followers) follower.onFault(error)
  }
}

/** The next list, or the end where the signal comes first: one of code may never give another, and does not know of it. */
function nextOf (lists: AsyncIterator<unknown>, signal: AbortSignal): Promise<IteratorResult<unknown>> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve({ done: true, value: undefined })
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true })
    Promise.resolve(lists.next()).then(result => {
      if (typeof result === 'object' && result !== null) resolve(result)
      else reject(new TypeError('next() of the async iterable gave no iterator result'))
    }, reject).finally(() => signal.removeEventListener('abort', end))
  })
}

function isLists (targets: DiscoveryOptions | TargetLists): targets is TargetLists {
  return Symbol.asyncIterator in targets
}
