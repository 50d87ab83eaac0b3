import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import type { SessionEnd, Traffic } from '../types.js'
import { Histogram } from './histogram.js'

/** Seconds: those of OpenTelemetry's conventions for HTTP, and two below them, since a gateway's own targets are near. */
const REQUEST_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** Seconds: from a second to a day. */
const SESSION_BOUNDS = [1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400]

/** Methods that are counted by name. Others could be made up by clients. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
/** Classes of statuses, by their first digit; 'none' for no response. */
const STATUSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx']

/** Routes that are counted apart, and upstreams of each: code may make up both. Further ones count together as this. */
const MAX_ROUTES = 4_096
const MAX_UPSTREAMS = 256
const OTHERS = 'others'

/** What has passed one way, in all. */
type Sum = { [Name in keyof Traffic]: number }

/** The requests of one method and one class of statuses. */
export interface RequestCounts {
  /** One of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS` and `other`. */
  readonly method: string
  /** `1xx` to `5xx`, or `none` where the client got no response. */
  readonly status: string
  /** Seconds from the start of the route's handler; of a handshake with a 101 and of an event stream, to its head. */
  readonly durations: Histogram
}

/** How many have ended in one way. */
export interface EndCounts<Labels> {
  readonly labels: Labels
  count: number
}

/** What a route has done with one upstream, since the gateway began. */
export class RouteCounts {
  readonly route: string
  /** The name of the upstream; empty for requests that were responded to before one was chosen. */
  readonly upstream: string
  /** Bytes of the bodies of requests and responses. */
  bodyFromClients = 0
  bodyFromTargets = 0
  retries = 0
  sessionsOpened = 0
  sessionsEnded = 0
  /** Sessions that have got another connection to a target in the place of a lost one, and those that have not. */
  readonly reconnects = { succeeded: 0, failed: 0 }
  /** Of sessions that have ended. */
  readonly fromClients: Sum = { frames: 0, messages: 0, bytes: 0, stalled: 0 }
  readonly fromTargets: Sum = { frames: 0, messages: 0, bytes: 0, stalled: 0 }
  /** Seconds. */
  readonly sessionDurations = new Histogram(SESSION_BOUNDS)
  readonly #requests: Array<RequestCounts | undefined> = []
  readonly #handshakes = new Map<string, EndCounts<{ outcome: string, by: string }>>()
  readonly #ends = new Map<string, EndCounts<{ by: string, reason: string, code: string }>>()

  constructor (route: string, upstream: string) {
    this.route = route
    this.upstream = upstream
  }

  get requests (): RequestCounts[] {
    return this.#requests.filter(counts => counts !== undefined)
  }

  /** Handshakes by how they ended: as the reason of an outcome says, or `accepted`. */
  get handshakes (): Array<Readonly<EndCounts<{ outcome: string, by: string }>>> {
    return [...this.#handshakes.values()]
  }

  /** Sessions by who ended them, why, and with which close code, or class of codes. */
  get ends (): Array<Readonly<EndCounts<{ by: string, reason: string, code: string }>>> {
    return [...this.#ends.values()]
  }

  get sessionsOpen (): number {
    return this.sessionsOpened - this.sessionsEnded
  }

  countRequest (method: string, status: number | undefined, seconds: number): void {
    const known = METHODS.indexOf(method)
    const ofMethod = known === -1 ? METHODS.length : known
    const ofStatus = status === undefined || status < 100 || status > 599 ? 0 : Math.floor(status / 100)
    const index = ofMethod * STATUSES.length + ofStatus
    const counts = this.#requests[index] ??= { method: METHODS[ofMethod] ?? 'other', status: STATUSES[ofStatus]!, durations: new Histogram(REQUEST_BOUNDS) }
    counts.durations.observe(seconds)
  }

  countHandshake (outcome: string, by: string): void {
    const key = `${outcome} ${by}`
    const counts = this.#handshakes.get(key)
    if (counts === undefined) this.#handshakes.set(key, { labels: { outcome, by }, count: 1 })
    else counts.count++
  }

  countSessionEnd ({ by, reason, code: given, duration, fromClient, fromTarget }: SessionEnd): void {
    this.sessionsEnded++
    this.sessionDurations.observe(duration / 1000)
    add(this.fromClients, fromClient)
    add(this.fromTargets, fromTarget)
    const code = codeClass(given)
    const key = `${by} ${reason} ${code}`
    const counts = this.#ends.get(key)
    if (counts === undefined) this.#ends.set(key, { labels: { by, reason, code }, count: 1 })
    else counts.count++
  }
}

/** How reloads of the configuration have ended. */
export interface ReloadCounts {
  succeeded: number
  failed: number
  /** When the last one ended, and the last that succeeded, the start included, in milliseconds since 1970. */
  lastAt: number
  lastSuccessAt: number
  /** Whether the last one succeeded. */
  ok: boolean
}

/**
 * Counts what becomes of exchanges, in plain numbers that are read when somebody collects them: a message of a session
 * costs nothing here, its numbers are those of the session itself. No client chooses what is counted apart.
 */
export class Counters implements Observer {
  readonly startedAt = Date.now()
  readonly reloads: ReloadCounts = { succeeded: 0, failed: 0, lastAt: this.startedAt, lastSuccessAt: this.startedAt, ok: true }
  readonly #routes = new Map<string, Map<string, RouteCounts>>()

  /** All that has been counted, by route and upstream. */
  get routes (): RouteCounts[] {
    return [...this.#routes.values()].flatMap(upstreams => [...upstreams.values()])
  }

  /** What is counted for a route and an upstream; undefined for the requests that were responded to before one was chosen. */
  of (route: string, upstream = ''): RouteCounts {
    let upstreams = this.#routes.get(route)
    if (upstreams === undefined) {
      if (this.#routes.size >= MAX_ROUTES && route !== OTHERS) return this.of(OTHERS, upstream)
      this.#routes.set(route, upstreams = new Map())
    }
    let counts = upstreams.get(upstream)
    if (counts === undefined) {
      if (upstreams.size >= MAX_UPSTREAMS && upstream !== OTHERS) return this.of(route, OTHERS)
      upstreams.set(upstream, counts = new RouteCounts(route, upstream))
    }
    return counts
  }

  onAttempt ({ attempts, route, upstream, session }: Exchange): void {
    // What an open session tries counts as a reconnect.
    if (attempts > 1 && session === undefined) this.of(route, upstream).retries++
  }

  onSession ({ route, upstream, acceptedAt }: Exchange): void {
    const counts = this.of(route, upstream)
    counts.sessionsOpened++
    counts.countHandshake('accepted', 'target')
    counts.countRequest('GET', 101, (performance.now() - acceptedAt) / 1000)
  }

  onReconnect ({ route, session }: Exchange, _attempt: number, error: Error | undefined): void {
    this.of(route, session!.firstUpstream).reconnects[error === undefined ? 'succeeded' : 'failed']++
  }

  onEnd (exchange: Exchange, { by, reason, status, session }: Outcome): void {
    const counts = this.of(exchange.route, exchange.session?.firstUpstream ?? exchange.upstream)
    if (session !== undefined) return counts.countSessionEnd(session)
    if (exchange.kind === 'handshake') counts.countHandshake(reason, by)
    counts.bodyFromClients += exchange.fromClient
    counts.bodyFromTargets += exchange.fromTarget
    // How long a stream of events lasts does not say how fast it was served.
    const end = exchange.isEventStream ? exchange.firstByteAt : exchange.endedAt
    counts.countRequest(exchange.request.method, status, (end - exchange.acceptedAt) / 1000)
  }

  /**
   * A hook of the app has responded before the handler of the route.
   *
   * @param milliseconds From when Fastify had the request.
   */
  countHookResponse (route: string, method: string, status: number, isHandshake: boolean, milliseconds: number): void {
    const counts = this.of(route)
    counts.countRequest(method, status, milliseconds / 1000)
    if (isHandshake) counts.countHandshake('hook', 'gateway')
  }

  countReload (ok: boolean): void {
    const { reloads } = this
    reloads.ok = ok
    reloads.lastAt = Date.now()
    if (ok) {
      reloads.succeeded++
      reloads.lastSuccessAt = reloads.lastAt
    } else {
      reloads.failed++
    }
  }
}

function add (sum: Sum, { frames, messages, bytes, stalled }: Traffic): void {
  sum.frames += frames
  sum.messages += messages
  sum.bytes += bytes
  sum.stalled += stalled
}

/** Codes of RFC 6455 and its registry by themselves, and the others, which peers choose freely, by their thousands. */
function codeClass (code: number): string {
  if (code >= 1000 && code <= 1015) return String(code)
  if (code >= 3000 && code <= 4999) return code < 4000 ? '3xxx' : '4xxx'
  return 'other'
}
