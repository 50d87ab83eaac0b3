import type { GatewayEvent } from './protocol.js'

/** How long an event is kept, in milliseconds, and how many are. */
const KEPT_FOR = 3_600_000
const MOST = 500

/** What makes two events the same: it happened again. */
export function keyOf ({ kind, text, route, upstream, target }: GatewayEvent): string {
  return JSON.stringify([kind, text, route, upstream, target])
}

/** The events of the last hour. */
export class RecentEvents {
  /** The one that happened last comes last. */
  readonly #events = new Map<string, GatewayEvent>()

  /** @param events The newest first. */
  reset (events: readonly GatewayEvent[]): void {
    this.#events.clear()
    for (const event of [...events].reverse()) this.add(event)
  }

  /** One that has happened before takes the place of what there was. */
  add (event: GatewayEvent): void {
    const key = keyOf(event)
    this.#events.delete(key)
    this.#events.set(key, event)
    const [oldest] = this.#events.keys()
    if (this.#events.size > MOST && oldest !== undefined) this.#events.delete(oldest)
  }

  /** Forgets what is older than an hour. */
  forget (now: number): void {
    for (const [key, { at }] of this.#events) if (at < now - KEPT_FOR) this.#events.delete(key)
  }

  get size (): number {
    return this.#events.size
  }

  /** The newest first. */
  list (): GatewayEvent[] {
    return [...this.#events.values()].reverse()
  }
}
