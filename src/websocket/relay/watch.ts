import type { Direction } from './direction.js'

/** What a session's watch is to see, in milliseconds. */
export interface WatchLimits {
  idleTimeout?: number | undefined
  pingInterval: number | false
  pongTimeout: number
  stallTimeout: number
  /** When the session ends, as `performance.now()` counts. */
  endsAt: number
}

/** What a watch tells its session. */
export interface WatchEvents {
  /** No data frame for `idleTimeout`. */
  onIdle (): void
  /** The session's time is up. */
  onTimeUp (): void
  /** The source of this direction was pinged, and neither sent nor took a byte for `pongTimeout`. */
  onSilence (direction: Direction): void
  /** The sink of this direction has read nothing for `stallTimeout`. */
  onStall (direction: Direction): void
}

/** One way, and what the watch knows of the peer at its source and of the one at its sink. */
interface Watched {
  readonly direction: Direction
  /** When the source was pinged; undefined when it has been heard since. */
  pingedAt: number | undefined
  /** When the sink was last seen to read, and what was unsent to it then. */
  stalledSince: number
  unsent: number
}

/**
 * Watches a session's silences: one timer a session, set for the next moment at which there may be
 * something to do.
 */
export class Watch {
  readonly #limits: WatchLimits
  readonly #events: WatchEvents
  readonly #ways: [Watched, Watched]
  readonly #ping: (direction: Direction) => boolean
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity
  #over = false

  /** @param ping Pings the source of a direction; false when that is not possible now. */
  constructor (limits: WatchLimits, ways: [Direction, Direction], ping: (direction: Direction) => boolean, events: WatchEvents) {
    this.#limits = limits
    this.#ways = ways.map(direction => ({ direction, pingedAt: undefined, stalledSince: 0, unsent: 0 })) as [Watched, Watched]
    this.#ping = ping
    this.#events = events
  }

  /** Starts to watch; what is due already is reported at once. */
  start (): void {
    this.look()
  }

  /** A direction has become blocked: its sink has `stallTimeout` from now. */
  blocked (direction: Direction): void {
    if (this.#over) return
    const way = this.#ways[0].direction === direction ? this.#ways[0] : this.#ways[1]
    way.stalledSince = performance.now()
    way.unsent = direction.sink.writableLength
    this.#wakeBy(way.stalledSince + this.#limits.stallTimeout)
  }

  /** Watches no more. */
  end (): void {
    this.#over = true
    clearTimeout(this.#timer)
  }

  /** Looks now, and when there may be something to do next. */
  look (): void {
    if (this.#over) return
    const now = performance.now()
    this.#dueAt = Infinity
    const [clientToTarget, targetToClient] = this.#ways
    this.#wakeBy(Math.min(
      this.#lookAtTime(now), this.#lookAtIdleness(now),
      this.#lookAtSilence(clientToTarget, targetToClient, now), this.#lookAtSilence(targetToClient, clientToTarget, now),
      this.#lookAtStall(clientToTarget, now), this.#lookAtStall(targetToClient, now)))
  }

  #wakeBy (at: number): void {
    if (this.#over || at >= this.#dueAt) return
    this.#dueAt = at
    clearTimeout(this.#timer)
    // Node takes at most 2^31 - 1; after that the watch looks again. The timer counts whole milliseconds, so it
    // is asked for one more.
    this.#timer = setTimeout(() => this.look(), Math.min(Math.max(Math.ceil(at - performance.now()), 1), 2 ** 31 - 1))
    // A session lives by its sockets, not by this.
    this.#timer.unref()
  }

  #lookAtTime (now: number): number {
    const { endsAt } = this.#limits
    if (now < endsAt) return endsAt
    this.#events.onTimeUp()
    return Infinity
  }

  #lookAtIdleness (now: number): number {
    const { idleTimeout } = this.#limits
    if (idleTimeout === undefined) return Infinity
    // What the gateway itself holds back is not missing.
    const dataAt = this.#ways.map(({ direction }) => direction.source.isPaused() || direction.isBusy ? now : direction.dataAt)
    const at = Math.max(...dataAt) + idleTimeout
    if (now < at) return at
    this.#events.onIdle()
    return Infinity
  }

  /** @param back The other way, whose sink the source of `way` is. */
  #lookAtSilence (way: Watched, back: Watched, now: number): number {
    const { pingInterval, pongTimeout } = this.#limits
    const { direction } = way
    if (pingInterval === false || this.#over || direction.ended) return Infinity
    // From a source that is not read nothing can come, so it is not silent. A slow reader's Pong waits behind all
    // that it has not read yet, so what it takes is a sign of life as well.
    const heardAt = direction.source.isPaused() ? now : Math.max(direction.readAt, back.direction.takenAt)
    if (way.pingedAt !== undefined && heardAt > way.pingedAt) way.pingedAt = undefined
    if (way.pingedAt === undefined) {
      if (now < heardAt + pingInterval) return heardAt + pingInterval
      // Where a frame to the peer is open, it is pinged another time, unless the frame waits for the peer to read:
      // whoever is there reads, and so the frame does what a Ping does.
      if (!this.#ping(direction) && !back.direction.blocked) return now + pingInterval
      way.pingedAt = now
    }
    if (now < way.pingedAt + pongTimeout) return Math.min(way.pingedAt + pongTimeout, now + pingInterval)
    this.#events.onSilence(direction)
    return Infinity
  }

  #lookAtStall (way: Watched, now: number): number {
    const { direction } = way
    if (!direction.blocked || this.#over) return Infinity
    const unsent = direction.sink.writableLength
    if (unsent !== way.unsent) {
      way.unsent = unsent
      way.stalledSince = now
    }
    const at = way.stalledSince + this.#limits.stallTimeout
    if (now < at) return at
    this.#events.onStall(direction)
    return Infinity
  }
}
