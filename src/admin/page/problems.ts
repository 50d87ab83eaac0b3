import { age, clock, milliseconds, perSecond, percent, plural } from './format.js'
import type { Point, ReloadResult, RouteRow, TargetRow, UpstreamRow } from './protocol.js'

/** What is known of the gateway by now. */
export interface Status {
  now: number
  /** Of the last half minute, the oldest first. */
  points: readonly Point[]
  upstreams: readonly UpstreamRow[]
  /** Routes that had errors within the last half minute. */
  failing: ReadonlyArray<{ url: string, errors: number, at: number }>
  reload: ReloadResult | null
}

/** Something that is wrong. */
export interface Problem {
  level: 'warn' | 'error'
  text: string
  /** The part of the page that says more, and what to filter it by. */
  section: 'upstreams' | 'routes' | 'events'
  filter: string
}

/** Items of a kind that are named; of more, only the number is. */
const MOST = 4
/** Milliseconds for which the event loop may be blocked. */
const MOST_DELAY = 250

/** How long an error counts as recent, in milliseconds. */
export const RECENT = 30_000

/** What is wrong, the worst first. */
export function problemsOf ({ now, points, upstreams, failing, reload }: Status): Problem[] {
  const found: Problem[] = []
  const targets: Problem[] = []
  for (const { name, targets: all, waiting } of upstreams) {
    if (all.length > 0 && !all.some(isServing)) {
      found.push({ level: 'error', text: `No target of upstream ${isolate(name)} is in service`, section: 'upstreams', filter: name })
    }
    for (const { url, health, since, reason } of all) {
      if (health === 'healthy') continue
      const why = reason === null ? '' : `: ${isolate(reason)}`
      targets.push({ level: 'warn', text: `${isolate(url)} in ${isolate(name)} has been ${health} for ${age(now - since)}${why}`, section: 'upstreams', filter: url })
    }
    if (waiting > 0) found.push({ level: 'warn', text: `${plural(waiting, 'request waits', 'requests wait')} for a place at a target of ${isolate(name)}`, section: 'upstreams', filter: name })
  }
  found.push(...shortened(targets, rest => ({ level: 'warn', text: `${plural(rest, 'more target is', 'more targets are')} ejected or down`, section: 'upstreams', filter: '' })))
  found.push(...errorsOf(points))
  const routes = [...failing].sort((one, other) => other.errors - one.errors).map(({ url, errors, at }): Problem => ({
    level: 'warn',
    text: `Route ${isolate(url)}: ${now - at < 2_000 ? `${perSecond(errors)} errors/s` : `errors until ${age(now - at)} ago`}`,
    section: 'routes',
    filter: url
  }))
  found.push(...shortened(routes, rest => ({ level: 'warn', text: `${plural(rest, 'more route has', 'more routes have')} errors`, section: 'routes', filter: '' })))
  if (reload !== null && !reload.ok) {
    found.push({ level: 'warn', text: `The reload at ${clock(reload.at)} failed${reload.text === undefined ? ', and the configuration before it stays in force' : `: ${isolate(reload.text)}`}`, section: 'events', filter: '' })
  }
  const delay = Math.max(0, ...points.slice(-10).map(({ eventLoop }) => eventLoop))
  if (delay > MOST_DELAY) found.push({ level: 'warn', text: `The event loop was blocked for ${milliseconds(delay)}: everything waits meanwhile`, section: 'events', filter: '' })
  return found.sort((one, other) => Number(other.level === 'error') - Number(one.level === 'error'))
}

export function isServing ({ state, health }: TargetRow): boolean {
  return state === 'ready' && health === 'healthy'
}

function errorsOf (points: readonly Point[]): Problem[] {
  const errors = points.reduce((sum, point) => sum + point.errors, 0)
  if (errors === 0) return []
  const requests = points.reduce((sum, point) => sum + point.requests, 0)
  const share = requests === 0 ? 1 : Math.min(1, errors / requests)
  return [{
    level: share >= 0.05 ? 'error' : 'warn',
    text: `${perSecond(errors / points.length)} errors/s in the last ${plural(points.length, 'second')}, ${percent(share)} of requests`,
    section: 'events',
    filter: ''
  }]
}

function shortened (problems: Problem[], rest: (many: number) => Problem): Problem[] {
  return problems.length <= MOST + 1 ? problems : [...problems.slice(0, MOST), rest(problems.length - MOST)]
}

/** Keeps the direction of a text from changing that of the sentence around it: FIRST STRONG ISOLATE and its end. */
function isolate (text: string): string {
  return `\u2068${text}\u2069`
}

/** Remembers which routes have had errors of late. */
export class FailingRoutes {
  readonly #seen = new Map<string, { url: string, errors: number, at: number }>()

  note (routes: readonly RouteRow[], now: number): void {
    for (const { url, errors } of routes) if (errors > 0) this.#seen.set(url, { url, errors, at: now })
  }

  list (now: number): Array<{ url: string, errors: number, at: number }> {
    for (const [url, { at }] of this.#seen) if (now - at > RECENT) this.#seen.delete(url)
    return [...this.#seen.values()]
  }
}
