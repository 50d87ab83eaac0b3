import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import { AdminInvalidError, AdminNotFoundError } from '../errors.js'
import { metrics } from '../observers/metrics.js'
import type { ReloadOutcome, RouteStatus, WebSocketSession } from '../types.js'
import type { RebalanceOptions, UpstreamControl } from '../upstreams/control.js'
import type { AdminHost, ServingState } from './host.js'
import { Meter, type Measurement } from './meter.js'
import { RecentEvents, type RecentEvent } from './recent-events.js'
import { listSessions, matches, rowOf, type SessionFilter, type SessionRow, type SessionView } from './session-list.js'
import type { AdminSource, SessionPage, TargetChangeRequest } from './source.js'
import { targetRow, upstreamRow, type TargetRow, type UpstreamRow } from './upstream-list.js'

/** The gateway of this process. */
export class LocalSource implements AdminSource {
  readonly workers = undefined
  readonly #host: AdminHost
  readonly #meter: Meter
  readonly #events = new RecentEvents()
  readonly #registry: Registry
  readonly #stops: Array<() => void>

  constructor (host: AdminHost) {
    this.#host = host
    const observe: AdminHost['observe'] = observer => host.observe(observer)
    this.#meter = new Meter(() => host.gateway, observe)
    this.#registry = metrics(() => host.gateway)
    this.#stops = [observe(this.#events), host.onReload((ok, text) => this.#events.noteReload(ok, text))]
  }

  get state (): ServingState {
    return this.#host.state
  }

  get log (): FastifyBaseLogger {
    return this.#host.log
  }

  get config (): object | undefined {
    return this.#host.config
  }

  get reload (): (() => Promise<ReloadOutcome>) | undefined {
    return this.#host.reload
  }

  get startedAt (): number {
    return this.#host.gateway.counters.startedAt
  }

  get lastReload (): { at: number, ok: boolean } | undefined {
    const { lastAt, ok, succeeded, failed } = this.#host.gateway.counters.reloads
    return succeeded + failed === 0 ? undefined : { at: lastAt, ok }
  }

  async measure (): Promise<Measurement> {
    return { ...await this.#meter.measure(), events: this.#events.takeFresh() }
  }

  /** The same, to be added to what is known already. */
  async measureIncrements (): Promise<Measurement> {
    return { ...await this.#meter.measure(), events: this.#events.takeIncrements() }
  }

  events (): RecentEvent[] {
    return this.#events.list()
  }

  async routes (): Promise<RouteStatus[]> {
    return [...this.#host.gateway.routes.list()]
  }

  async upstreams (): Promise<UpstreamRow[]> {
    return this.#host.gateway.upstreams.list().map(upstreamRow)
  }

  async upstream (name: string): Promise<UpstreamRow> {
    return upstreamRow(this.#control(name))
  }

  async setTarget (upstream: string, url: string, change: TargetChangeRequest): Promise<TargetRow> {
    const control = this.#control(upstream)
    if (!control.targets.some(target => target.url === url)) throw new AdminNotFoundError(`target '${url}' in upstream '${upstream}'`)
    control.setTarget(url, change)
    return targetRow(control.targets.find(target => target.url === url)!)
  }

  async rebalance (upstream: string, options: RebalanceOptions): Promise<number> {
    return this.#control(upstream).rebalance(options)
  }

  async listSessions (view: SessionView): Promise<SessionPage> {
    const all = this.#host.gateway.sessions.list()
    return { total: all.length, ...await listSessions(all, this.#meter.rates, view) }
  }

  async session (id: string): Promise<SessionRow> {
    return rowOf(this.#session(id), this.#meter.rates)
  }

  async closeSession (id: string, code?: number, reason?: string): Promise<void> {
    const session = this.#session(id)
    checked(() => session.close(code, reason))
  }

  async closeSessions (filter: SessionFilter, code?: number, reason?: string): Promise<number> {
    return checked(() => this.#host.gateway.sessions.close(code, reason, matches(filter)))
  }

  async metrics (): Promise<Registry> {
    return this.#registry
  }

  close (): void {
    this.#meter.close()
    for (const stop of this.#stops) stop()
  }

  #control (name: string): UpstreamControl {
    const found = this.#host.gateway.upstreams.get(name)
    if (found === undefined) throw new AdminNotFoundError(`upstream '${name}'`)
    return found
  }

  #session (id: string): WebSocketSession {
    const [found] = this.#host.gateway.sessions.list(session => session.id === id)
    if (found === undefined) throw new AdminNotFoundError(`session '${id}'`)
    return found
  }
}

/** What a close code or a reason must be is said by the session. */
function checked<T> (close: () => T): T {
  try {
    return close()
  } catch (error) {
    if (error instanceof RangeError) throw new AdminInvalidError(error.message)
    throw error
  }
}
