import { createHash } from 'node:crypto'
import type { MessageRate } from '../../options/index.js'
import { RateBucket, type RateInForce } from './rate-bucket.js'

/** The bucket of a key, while sessions use it or it is not full. */
export interface Place {
  readonly key: string
  readonly bucket: RateBucket
  sessions: number
  /** Where it is in `#idle`. */
  lookAt: number | undefined
}

/** Characters of a key that is kept as it is. Of a longer one its hash is kept, which is one longer. */
const LONGEST_KEY = 63

/** How often what is idle is looked at, in milliseconds, and how much of it in one go. */
const INTERVAL = 1000
const AT_ONCE = 1000
/** No place is left alone for longer, in turns of `INTERVAL`: the rate may have changed. */
const LONGEST_PAUSE = 60

/**
 * What sessions of a route may send that count together, by their key. A key is forgotten when it has no session and
 * its bucket is full, since it is then as if it had never been. What a reload keeps of a route includes this.
 */
export class SharedRates {
  readonly #inForce: RateInForce
  readonly #places = new Map<string, Place>()
  /** Those without sessions, by the turn at which they will be full. */
  readonly #idle = new Map<number, Set<Place>>()
  #timer: NodeJS.Timeout | undefined

  constructor (rate: MessageRate, now: number) {
    this.#inForce = { rate, since: now }
  }

  /** How many keys it knows. */
  get size (): number {
    return this.#places.size
  }

  /** Sets the rate for all keys. */
  use (rate: MessageRate, now: number): void {
    this.#inForce.rate = rate
    this.#inForce.since = now
  }

  /** A session of a key begins. */
  enter (key: string, now: number): Place {
    const kept = key.length > LONGEST_KEY ? createHash('sha256').update(key).digest('hex') : key
    let place = this.#places.get(kept)
    if (place === undefined) this.#places.set(kept, place = { key: kept, bucket: new RateBucket(this.#inForce, now), sessions: 0, lookAt: undefined })
    else if (place.lookAt !== undefined) this.#idle.get(place.lookAt)?.delete(place)
    place.lookAt = undefined
    place.sessions++
    return place
  }

  /** A session of it has ended. */
  leave (place: Place, now: number): void {
    if (--place.sessions === 0) this.#rest(place, now)
  }

  /** Forgets what is idle and full, as much as may be done in one go. Called by a timer as long as anything is idle. */
  sweep (now = performance.now()): void {
    let left = AT_ONCE
    for (const [lookAt, places] of this.#idle) {
      if (lookAt * INTERVAL > now) continue
      for (const place of places) {
        if (left-- === 0) return this.#sweepIn(0)
        places.delete(place)
        this.#rest(place, now)
      }
      this.#idle.delete(lookAt)
    }
    if (this.#idle.size > 0) this.#sweepIn(INTERVAL)
  }

  #rest (place: Place, now: number): void {
    const wait = place.bucket.untilFull(now)
    if (wait === 0) {
      this.#places.delete(place.key)
      return
    }
    const lookAt = Math.min(Math.ceil((now + wait) / INTERVAL), Math.floor(now / INTERVAL) + LONGEST_PAUSE)
    place.lookAt = lookAt
    const places = this.#idle.get(lookAt)
    if (places === undefined) this.#idle.set(lookAt, new Set([place]))
    else places.add(place)
    if (this.#timer === undefined) this.#sweepIn(INTERVAL)
  }

  #sweepIn (milliseconds: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.sweep()
    }, milliseconds).unref()
  }
}
