import { NONE, sum, type Measurement, type Totals } from './meter.js'
import type { Carried } from './session-rates.js'
import type { AdminSource } from './source.js'

/** How often it samples, in milliseconds, and how many samples are kept. */
const INTERVAL = 1_000
const MOST = 300

/** What a second has brought: numbers a second, but for `sessions`, the latencies and the delay. */
export interface Point extends Carried {
  /** Milliseconds since 1970. */
  at: number
  requests: number
  /** Those with a status of 5xx. */
  errors: number
  handshakes: number
  /** Open by then. */
  sessions: number
  /** Milliseconds; null without a request. */
  p50: number | null
  p99: number | null
  /** The longest delay of the event loop, in milliseconds. */
  eventLoop: number
}

/** What a second has brought to one route. */
export interface RouteRates {
  requests: number
  errors: number
  sessions: number
  p50: number | null
  p99: number | null
}

/** Samples a source once a second. */
export class Sampler {
  /** The oldest first. */
  readonly points: Point[] = []
  /** By the URL of the route. */
  routes = new Map<string, RouteRates>()
  readonly #source: AdminSource
  readonly #onSample: (measurement: Measurement) => unknown
  readonly #timer: NodeJS.Timeout
  #at = performance.now()
  #isSampling = false

  /** @param onSample Gets each sample; the next one waits for it. */
  constructor (source: AdminSource, onSample: (measurement: Measurement) => unknown) {
    this.#source = source
    this.#onSample = onSample
    this.#timer = setInterval(() => { this.#sample().catch(err => source.log.error({ err }, 'sampling for the status page failed')) }, INTERVAL).unref()
  }

  close (): void {
    clearInterval(this.#timer)
  }

  async #sample (): Promise<void> {
    if (this.#isSampling) return
    this.#isSampling = true
    try {
      const now = performance.now()
      const seconds = Math.max((now - this.#at) / 1000, 0.001)
      this.#at = now
      const measurement = await this.#source.measure()
      const { routes, carried, sessions, eventLoop } = measurement
      this.routes = new Map([...routes].map(([route, change]) => [route, ratesOf(change, seconds)]))
      const all = [...routes.values()].reduce(sum, NONE)
      this.points.push({
        at: Date.now(),
        ...ratesOf(all, seconds),
        sessions,
        handshakes: round(all.handshakes / seconds),
        ...Object.fromEntries(Object.entries(carried).map(([name, count]) => [name, round(count / seconds)])) as unknown as Carried,
        eventLoop: round(eventLoop)
      })
      if (this.points.length > MOST) this.points.shift()
      await this.#onSample(measurement)
    } finally {
      this.#isSampling = false
    }
  }
}

function ratesOf ({ requests, errors, sessions, durations }: Totals, seconds: number): RouteRates {
  const milliseconds = (share: number): number | null => {
    const found = durations?.quantile(share) ?? null
    return found === null ? null : round(found * 1000)
  }
  return { requests: round(requests / seconds), errors: round(errors / seconds), sessions, p50: milliseconds(0.5), p99: milliseconds(0.99) }
}

function round (value: number): number {
  return Math.round(value * 10) / 10
}
