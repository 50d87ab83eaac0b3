import type { DemoEvent, Ended, Started } from '../protocol.js'

/** Exchanges that are remembered. */
const MOST = 100

interface Known {
  start?: Started
  end?: Ended
  readonly onStart: Array<(start: Started) => void>
  readonly onEnd: Array<(end: Ended) => void>
}

/**
 * What the gateway says of exchanges. It comes over the feed, so before or after what the page itself sees of them.
 */
export class Exchanges {
  readonly #known = new Map<string, Known>()
  readonly #watchers = new Set<(event: DemoEvent) => boolean>()

  add (event: DemoEvent): void {
    const known = this.#of(event.id)
    if (event.type === 'start') {
      known.start = event
      for (const callback of known.onStart.splice(0)) callback(event)
    } else {
      known.end = event
      for (const callback of known.onEnd.splice(0)) callback(event)
    }
    for (const watcher of this.#watchers) if (watcher(event)) this.#watchers.delete(watcher)
  }

  /** Calls back with the beginning of an exchange, now or when it comes. */
  onStart (id: string, callback: (start: Started) => void): void {
    const known = this.#of(id)
    if (known.start === undefined) known.onStart.push(callback)
    else callback(known.start)
  }

  /** Calls back with the end of an exchange, now or when it comes. */
  onEnd (id: string, callback: (end: Ended) => void): void {
    const known = this.#of(id)
    if (known.end === undefined) known.onEnd.push(callback)
    else callback(known.end)
  }

  /** Gives the first end of an exchange with this URL that comes from now on. */
  nextEnd (url: string): Promise<Ended> {
    return new Promise(resolve => {
      this.#watchers.add(event => {
        if (event.type !== 'end' || event.url !== url) return false
        resolve(event)
        return true
      })
    })
  }

  #of (id: string): Known {
    let known = this.#known.get(id)
    if (known === undefined) {
      this.#known.set(id, known = { onStart: [], onEnd: [] })
      if (this.#known.size > MOST) {
        const [oldest] = this.#known.keys()
        this.#known.delete(oldest!)
      }
    }
    return known
  }
}
