import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RouteCounts } from '../observers/counters.js'
import type { Histogram } from '../observers/histogram.js'
import type { AdminHost } from './host.js'
import { SessionRates, type Carried } from './session-rates.js'

/** How often it samples, in milliseconds, and how many samples are kept. */
const INTERVAL = 1_000
const MOST = 300

/** How finely the delay of the event loop is measured, in milliseconds. */
const RESOLUTION = 20

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

/** What a route has counted by some moment. */
interface Totals {
  requests: number
  errors: number
  handshakes: number
  sessions: number
  durations: Histogram | undefined
}

const NONE: Totals = { requests: 0, errors: 0, handshakes: 0, sessions: 0, durations: undefined }

/** Samples a gateway once a second. */
export class Sampler {
  readonly rates = new SessionRates()
  /** The oldest first. */
  readonly points: Point[] = []
  /** By the URL of the route. */
  routes = new Map<string, RouteRates>()
  readonly #host: AdminHost
  readonly #onSample: () => void
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  readonly #timer: NodeJS.Timeout
  readonly #stopObserving: () => void
  #before = new Map<string, Totals>()
  #at = performance.now()
  #isSampling = false

  constructor (host: AdminHost, onSample: () => void) {
    this.#host = host
    this.#onSample = onSample
    this.#before = totalsByRoute(host.gateway.counters.routes)
    this.#stopObserving = host.observe(this.rates)
    this.#delay.enable()
    this.#timer = setInterval(() => { this.#sample().catch(err => host.log.error({ err }, 'sampling for the status page failed')) }, INTERVAL).unref()
  }

  close (): void {
    clearInterval(this.#timer)
    this.#delay.disable()
    this.#stopObserving()
  }

  async #sample (): Promise<void> {
    if (this.#isSampling) return
    this.#isSampling = true
    try {
      const { gateway } = this.#host
      const now = performance.now()
      const seconds = Math.max((now - this.#at) / 1000, 0.001)
      this.#at = now
      const totals = totalsByRoute(gateway.counters.routes)
      const before = this.#before
      this.#before = totals
      const differences = new Map([...totals].map(([route, after]) => [route, difference(before.get(route) ?? NONE, after)]))
      this.routes = new Map([...differences].map(([route, change]) => [route, ratesOf(change, seconds)]))
      const all = [...differences.values()].reduce(sum, NONE)
      const carried = await this.rates.look(gateway.sessions.list(), seconds)
      this.points.push({
        at: Date.now(),
        ...ratesOf(all, seconds),
        sessions: gateway.sessions.size,
        handshakes: round(all.handshakes / seconds),
        ...Object.fromEntries(Object.entries(carried).map(([name, count]) => [name, round(count / seconds)])) as unknown as Carried,
        eventLoop: round(Math.max(this.#delay.max / 1e6 - RESOLUTION, 0))
      })
      this.#delay.reset()
      if (this.points.length > MOST) this.points.shift()
      this.#onSample()
    } finally {
      this.#isSampling = false
    }
  }
}

function totalsByRoute (counts: readonly RouteCounts[]): Map<string, Totals> {
  const found = new Map<string, Totals>()
  for (const one of counts) found.set(one.route, sum(found.get(one.route) ?? NONE, totalsOf(one)))
  return found
}

function totalsOf ({ requests, handshakes, sessionsOpen }: RouteCounts): Totals {
  return {
    requests: requests.reduce((total, { durations }) => total + durations.count, 0),
    errors: requests.reduce((total, { status, durations }) => status === '5xx' ? total + durations.count : total, 0),
    handshakes: handshakes.reduce((total, { count }) => total + count, 0),
    sessions: sessionsOpen,
    durations: requests.reduce<Histogram | undefined>((all, { durations }) => merged(all, durations), undefined)
  }
}

function merged (one: Histogram | undefined, other: Histogram | undefined): Histogram | undefined {
  // A copy, also of one: what is counted goes on.
  if (one === undefined || other === undefined) return (one ?? other)?.copy()
  const both = one.copy()
  both.add(other)
  return both
}

function sum (one: Totals, other: Totals): Totals {
  return {
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    handshakes: one.handshakes + other.handshakes,
    sessions: one.sessions + other.sessions,
    durations: merged(one.durations, other.durations)
  }
}

function difference (before: Totals, after: Totals): Totals {
  return {
    requests: after.requests - before.requests,
    errors: after.errors - before.errors,
    handshakes: after.handshakes - before.handshakes,
    sessions: after.sessions,
    durations: before.durations === undefined ? after.durations : after.durations?.since(before.durations)
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
