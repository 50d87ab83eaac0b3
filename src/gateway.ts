import type { FastifyBaseLogger } from 'fastify'
import { AccessLog, type AccessLogSettings } from './observers/access-log.js'
import { Counters } from './observers/counters.js'
import { diagnostics } from './observers/diagnostics.js'
import { Tracing, type TracingSettings } from './observers/tracing.js'
import { withDefaults } from './options/defaults.js'
import { GatewayOptions, type MessageRate } from './options/index.js'
import { SharedRates } from './policies/message-rate/shared-rates.js'
import { SessionCounts } from './policies/session-limits.js'
import { Observers, safely, type Observer } from './proxy/observer.js'
import type { Endpoint } from './upstreams/endpoint.js'
import { Endpoints } from './upstreams/endpoints.js'
import type { ControlHost, UpstreamControl } from './upstreams/control.js'
import type { RouteStatus } from './types.js'
import type { TargetChange } from './upstreams/standing.js'
import type { LiveSession } from './websocket/live-session.js'
import type { UpstreamOfSession } from './websocket/handshake/reconnection.js'
import { Sessions, type DrainOptions, type Removal } from './websocket/sessions.js'

/** `app.gateway`. */
export interface Gateway {
  /** The open WebSocket sessions. */
  readonly sessions: Pick<Sessions, 'size' | 'list' | 'close' | 'stopping'>
  /** The declared upstreams, to be changed while the app runs. */
  readonly upstreams: Upstreams
  /** The routes that the gateway serves. */
  readonly routes: { list (): readonly RouteStatus[] }
  /** What the gateway has counted since it began. `sluice/metrics` gives it to Prometheus. */
  readonly counters: Counters
  /**
   * Hears what becomes of requests and sessions. What it throws is logged.
   *
   * @returns A function that ends it.
   */
  observe (observer: Observer): () => void
  /**
   * Refuses new handshakes with 503, ends every session with Close 1012 between two messages, and resolves when all
   * have ended. What is left after the timeout is destroyed. `app.close()` does the same.
   *
   * @throws {RangeError} for a close code that may not stand on the wire.
   */
  drain (options?: DrainOptions): Promise<void>
}

/** `app.gateway.upstreams`. */
export interface Upstreams {
  /** The upstream that was declared under a name, or that routes name by this URL; undefined for none. */
  get (name: string): UpstreamControl | undefined
  /** All of them. */
  list (): UpstreamControl[]
  /**
   * Hears of each change of a target's state or health.
   *
   * @returns A function that ends it.
   */
  onChange (listener: (change: TargetChange) => void): () => void
}

/** A decorator of an app that is one generation of several: what its gateway shares with the others. */
export const MEMBERSHIP = Symbol('sluice.membership')

/** A scope that has a gateway, in the app of a generation. */
export interface ScopeOfGeneration {
  /** Whether a session's route and target are there. */
  serves (session: LiveSession): boolean
  /** The upstream of the route of a session; undefined where it is not there. */
  upstreamOf: UpstreamOfSession
  /** The generation is the one that is served from now on. */
  begin (): void
  /** It is not any more. */
  retire (): void
}

/** What a generation's app brings its gateway. */
export class Membership {
  readonly state: GatewayState
  /** Whether it is this generation that is served. If so, its end is that of the gateway. */
  serving = false
  /** One for each scope that has a gateway. */
  readonly scopes: ScopeOfGeneration[] = []

  constructor (state: GatewayState) {
    this.state = state
  }
}

/**
 * What a gateway keeps as long as it lives. An embedded one lives as long as its app; that of the service outlives its
 * configurations, each of which is an app of its own.
 */
export class GatewayState {
  readonly sessions = new Sessions()
  readonly endpoints: Endpoints
  readonly observers = new Observers()
  readonly counters = new Counters()
  readonly accessLog: AccessLog
  readonly tracing = new Tracing()
  #observesTracing = false
  readonly #sessionCounts = new UsedValues<SessionCounts>()
  readonly #sharedRates = new UsedValues<SharedRates>()
  readonly #changeListeners = new Set<(change: TargetChange) => void>()
  #removal: Removal = removalOf({})
  #log: FastifyBaseLogger | undefined
  #scopes: readonly ScopeOfGeneration[] = []

  /** @param stickyKey That of several processes. Default: one of its own. */
  constructor (settings: AccessLogSettings & TracingSettings, stickyKey?: Buffer) {
    this.endpoints = new Endpoints(stickyKey)
    this.accessLog = new AccessLog(settings)
    this.tracing.configure(settings)
    this.observers.add(this.accessLog)
    this.observers.add(this.counters)
    this.observers.add(diagnostics)
    this.endpoints.onChange = (change, endpoint) => this.#onTargetChange(change, endpoint)
    this.endpoints.onTargets = () => { this.reconcile() }
  }

  /** The app that is served: its scopes, its options for sessions that lose their target, and its log. */
  adopt (scopes: readonly ScopeOfGeneration[], options: Pick<GatewayOptions, 'drainCode' | 'drainSpread'>, log: FastifyBaseLogger): void {
    this.#scopes = scopes
    this.#removal = removalOf(options)
    this.#log = this.endpoints.log = log
  }

  /**
   * Makes ready what traces.
   *
   * @throws {OptionsInvalidError} if OpenTelemetry is not installed.
   */
  async loadTracing (): Promise<void> {
    await this.tracing.load()
    if (this.#observesTracing) return
    this.#observesTracing = true
    this.observe(this.tracing)
  }

  /** Hears what becomes of exchanges. Gives what ends it. */
  observe (observer: Observer): () => void {
    const safe = safely(observer, err => this.#log?.error({ err }, 'an observer failed'))
    this.observers.add(safe)
    return () => this.observers.remove(safe)
  }

  /** Hears of the states and the health of targets. Gives what ends it. */
  onTargetChange (listener: (change: TargetChange) => void): () => void {
    this.#changeListeners.add(listener)
    return () => { this.#changeListeners.delete(listener) }
  }

  #onTargetChange (change: TargetChange, endpoint: Endpoint): void {
    const { upstream, target, state, health, before, reason } = change
    const isWorse = health !== 'healthy' && health !== before.health
    this.#log?.[isWorse ? 'warn' : 'info']({ upstream, target, state, health, before, reason }, 'target changed')
    this.observers.onTargetChange(change)
    for (const listener of this.#changeListeners) {
      try {
        listener(change)
      } catch (err) {
        this.#log?.error({ err }, 'a listener for changes of targets failed')
      }
    }
    if (isWorse) this.sessions.leaveTarget(upstream, endpoint, this.#removal)
    if (state === 'drain' && before.state !== state && this.#hasOther(upstream, endpoint)) this.sessions.moveFrom(upstream, endpoint, this.#removal)
    // To sessions, a target in maintenance is one that is gone; to handshakes under way, too.
    if (state === 'maintenance' && before.state !== state) this.reconcile()
  }

  /** Whether sessions can move from a target to another of its upstream. One that is drained keeps those of a sticky cookie. */
  #hasOther (name: string, endpoint: Endpoint): boolean {
    return this.sessions.on(name, endpoint).some(session => {
      const upstream = this.upstreamOf(session)
      return upstream?.sticky === undefined && upstream?.targets.some(target => target.endpoint !== endpoint && target.standing.usable) === true
    })
  }

  /** What the controls of upstreams need. */
  get controlHost (): ControlHost {
    return {
      targetsChanged: () => { this.reconcile() },
      sessionsOn: (upstream, endpoint) => this.sessions.on(upstream, endpoint).length,
      moveSessions: (upstream, endpoint, count, spread) => {
        this.sessions.move(this.sessions.on(upstream, endpoint).slice(0, count), { ...this.#removal, spread })
      }
    }
  }

  /**
   * Ends the sessions whose route or target is gone, as their routes say.
   *
   * @returns How many.
   */
  reconcile (): number {
    const scopes = this.#scopes
    this.#sessionCounts.clean()
    this.#sharedRates.clean()
    return this.sessions.reconcile(session => scopes.some(scope => scope.serves(session)), this.#removal)
  }

  /** The upstream for a session that needs another target. */
  readonly upstreamOf: UpstreamOfSession = session => {
    for (const scope of this.#scopes) {
      const upstream = scope.upstreamOf(session)
      if (upstream !== undefined) return upstream
    }
    return undefined
  }

  /** How many sessions a route has. Kept as long as a route of this URL, or a session on one, is there. */
  sessionCounts (route: string): SessionCounts {
    return this.#sessionCounts.get(route, () => new SessionCounts())
  }

  /** What sessions of a route may send together. Kept as long, or until all of it may be forgotten. */
  sharedRates (route: string, kind: string, rate: MessageRate): SharedRates {
    return this.#sharedRates.get(JSON.stringify([route, kind]), () => new SharedRates(rate, performance.now()))
  }

  /** Destroys all connections to targets. */
  close (): void {
    this.endpoints.close()
  }
}

/** Values that are kept as long as somebody uses them. */
class UsedValues<Value extends object> {
  readonly #values = new Map<string, WeakRef<Value>>()

  get (name: string, make: () => Value): Value {
    let value = this.#values.get(name)?.deref()
    if (value === undefined) this.#values.set(name, new WeakRef(value = make()))
    return value
  }

  clean (): void {
    for (const [name, value] of this.#values) if (value.deref() === undefined) this.#values.delete(name)
  }
}

function removalOf (options: Pick<GatewayOptions, 'drainCode' | 'drainSpread'>): Removal {
  const { drainCode } = withDefaults(GatewayOptions, options, ['drainCode'])
  return {
    code: drainCode === false ? undefined : drainCode,
    // Its default is for a stop, for which the process waits. Here nobody does.
    spread: options.drainSpread ?? 30_000
  }
}
