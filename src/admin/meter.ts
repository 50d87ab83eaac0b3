import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Gateway } from '../gateway.js'
import type { RouteCounts } from '../observers/counters.js'
import { Histogram } from '../observers/histogram.js'
import type { Observer } from '../proxy/observer.js'
import type { RecentEvent } from './recent-events.js'
import { SessionRates, type Carried } from './session-rates.js'

/** How finely the delay of the event loop is measured, in milliseconds. */
const RESOLUTION = 20

/** What a route has counted. */
export interface Totals {
  requests: number
  /** Those with a status of 5xx. */
  errors: number
  handshakes: number
  /** Open by now. */
  sessions: number
  durations: Histogram | undefined
}

/** What has happened since the last measurement. */
export interface Measurement {
  /** By the URL of the route. */
  routes: Map<string, Totals>
  carried: Carried
  /** Open by now. */
  sessions: number
  /** The longest delay of the event loop, in milliseconds. */
  eventLoop: number
  /** How often each has happened since then. */
  events: RecentEvent[]
}

export const NONE: Totals = { requests: 0, errors: 0, handshakes: 0, sessions: 0, durations: undefined }

/** Measures the gateway of this process. */
export class Meter {
  readonly rates = new SessionRates()
  readonly #gateway: () => Gateway
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  readonly #stopObserving: () => void
  #before: Map<string, Totals>
  #at = performance.now()

  constructor (gateway: () => Gateway, observe: (observer: Observer) => () => void) {
    this.#gateway = gateway
    this.#before = totalsByRoute(gateway().counters.routes)
    this.#stopObserving = observe(this.rates)
    this.#delay.enable()
  }

  async measure (): Promise<Omit<Measurement, 'events'>> {
    const { counters, sessions } = this.#gateway()
    const now = performance.now()
    const seconds = Math.max((now - this.#at) / 1000, 0.001)
    this.#at = now
    const totals = totalsByRoute(counters.routes)
    const before = this.#before
    this.#before = totals
    const carried = await this.rates.look(sessions.list(), seconds)
    const eventLoop = Math.max(this.#delay.max / 1e6 - RESOLUTION, 0)
    this.#delay.reset()
    return {
      routes: new Map([...totals].map(([route, after]) => [route, difference(before.get(route) ?? NONE, after)])),
      carried,
      sessions: sessions.size,
      eventLoop
    }
  }

  close (): void {
    this.#delay.disable()
    this.#stopObserving()
  }
}

/** What two of them have counted together. */
export function sum (one: Totals, other: Totals): Totals {
  return {
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    handshakes: one.handshakes + other.handshakes,
    sessions: one.sessions + other.sessions,
    durations: merged(one.durations, other.durations)
  }
}

/** Measurements of several processes as one. The longest delay of an event loop is that of the slowest. */
export function sumOfMeasurements (all: readonly Measurement[]): Measurement {
  const routes = new Map<string, Totals>()
  const carried: Carried = { messagesFromClients: 0, messagesFromTargets: 0, bytesFromClients: 0, bytesFromTargets: 0 }
  for (const measurement of all) {
    for (const [route, totals] of measurement.routes) routes.set(route, sum(routes.get(route) ?? NONE, totals))
    for (const name of Object.keys(carried) as Array<keyof Carried>) carried[name] += measurement.carried[name]
  }
  return {
    routes,
    carried,
    sessions: all.reduce((sum, { sessions }) => sum + sessions, 0),
    eventLoop: Math.max(0, ...all.map(({ eventLoop }) => eventLoop)),
    events: all.flatMap(({ events }) => events)
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

function difference (before: Totals, after: Totals): Totals {
  return {
    requests: after.requests - before.requests,
    errors: after.errors - before.errors,
    handshakes: after.handshakes - before.handshakes,
    sessions: after.sessions,
    durations: before.durations === undefined ? after.durations : after.durations?.since(before.durations)
  }
}
