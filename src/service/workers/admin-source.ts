import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { ServingState } from '../../admin/host.js'
import { sumOfMeasurements, type Measurement } from '../../admin/meter.js'
import { RecentEvents, type RecentEvent } from '../../admin/recent-events.js'
import { byOrder, type SessionFilter, type SessionRow, type SessionView } from '../../admin/session-list.js'
import type { AdminSource, SessionPage, TargetChangeRequest, WorkerRow } from '../../admin/source.js'
import { sumOfUpstreams, worstOfTargets, type TargetRow, type UpstreamRow } from '../../admin/upstream-list.js'
import { AdminNotFoundError } from '../../errors.js'
import { Histogram } from '../../observers/histogram.js'
import type { ReloadOutcome, RouteStatus } from '../../types.js'
import type { RebalanceOptions } from '../../upstreams/control.js'
import type { WorkerMetrics } from './metrics.js'
import type { WorkerAdmin } from './protocol.js'
import { RemoteError } from './remote-error.js'
import type { WorkerProcess } from './worker-process.js'

/** What the workers' admin source needs of their primary. */
export interface WorkersHost {
  readonly state: ServingState
  readonly log: FastifyBaseLogger
  readonly config: object
  readonly reload: () => Promise<ReloadOutcome>
  readonly startedAt: number
  readonly lastReload: { at: number, ok: boolean } | undefined
  /** All of them, those that leave included. */
  readonly processes: readonly WorkerProcess[]
  readonly metrics: WorkerMetrics
  /** Whether the workers are to measure. */
  observe (wanted: boolean): void
  /** A target is to be as an operator wants it, in workers that are started later, too. */
  setTarget (upstream: string, url: string, change: TargetChangeRequest): void
  /** Hears of reloads and of workers that fail. Gives what ends it. */
  onEvent (listener: (note: (events: RecentEvents) => void) => void): () => void
}

/** The gateways of all workers, as one. */
export class WorkersSource implements AdminSource {
  readonly #host: WorkersHost
  readonly #events = new RecentEvents()
  readonly #stop: () => void
  /** Open sessions by worker, as last measured. */
  #sessions = new Map<WorkerProcess, number>()

  constructor (host: WorkersHost) {
    this.#host = host
    this.#stop = host.onEvent(note => note(this.#events))
    host.observe(true)
  }

  get state (): ServingState {
    return this.#host.state
  }

  get log (): FastifyBaseLogger {
    return this.#host.log
  }

  get config (): object {
    return this.#host.config
  }

  get reload (): () => Promise<ReloadOutcome> {
    return this.#host.reload
  }

  get startedAt (): number {
    return this.#host.startedAt
  }

  get lastReload (): { at: number, ok: boolean } | undefined {
    return this.#host.lastReload
  }

  get workers (): WorkerRow[] {
    return this.#host.processes.flatMap(worker => {
      const { number: id, pid, state, startedAt } = worker
      return state === 'gone' ? [] : [{ id, pid, state, startedAt, sessions: this.#sessions.get(worker) ?? 0 }]
    })
  }

  async measure (): Promise<Measurement> {
    const sessions = new Map<WorkerProcess, number>()
    const measured = await Promise.all(this.#asked.map(async worker => {
      try {
        const measurement = await worker.admin('measure')
        sessions.set(worker, measurement.sessions)
        return [withHistograms(measurement)]
      } catch {
        // It has ended meanwhile, or is too busy. The next one measures since the last one.
        return []
      }
    }))
    this.#sessions = sessions
    const all = sumOfMeasurements(measured.flat())
    for (const event of all.events) this.#events.add(event)
    return { ...all, events: this.#events.takeFresh() }
  }

  events (): RecentEvent[] {
    return this.#events.list()
  }

  async routes (): Promise<RouteStatus[]> {
    return await this.#first('routes') ?? []
  }

  async upstreams (): Promise<UpstreamRow[]> {
    return sumOfUpstreams(await this.#all('upstreams'))
  }

  async upstream (name: string): Promise<UpstreamRow> {
    const [found] = sumOfUpstreams((await this.#found('upstream', name)).map(row => [row]))
    return found!
  }

  async setTarget (upstream: string, url: string, change: TargetChangeRequest): Promise<TargetRow> {
    const rows = await this.#found('setTarget', upstream, url, change)
    this.#host.setTarget(upstream, url, change)
    return worstOfTargets(rows)
  }

  async rebalance (upstream: string, options: RebalanceOptions): Promise<number> {
    return total(await this.#found('rebalance', upstream, options))
  }

  async listSessions ({ offset, limit, ...view }: SessionView): Promise<SessionPage> {
    const pages = await this.#all('listSessions', { ...view, offset: 0, limit: offset + limit })
    const sessions = pages.flatMap(({ sessions }) => sessions).sort(byOrder(view.sort, view.descending))
    return {
      total: total(pages.map(({ total }) => total)),
      matching: total(pages.map(({ matching }) => matching)),
      sessions: sessions.slice(offset, offset + limit)
    }
  }

  async session (id: string): Promise<SessionRow> {
    return (await this.#found('session', id))[0]!
  }

  async closeSession (id: string, code?: number, reason?: string): Promise<void> {
    await this.#found('closeSession', id, code, reason)
  }

  async closeSessions (filter: SessionFilter, code?: number, reason?: string): Promise<number> {
    return total(await this.#found('closeSessions', filter, code, reason))
  }

  metrics (): Promise<Registry> {
    return this.#host.metrics.collect(this.#asked)
  }

  close (): void {
    this.#stop()
    this.#host.observe(false)
  }

  /** Those that can be asked. */
  get #asked (): WorkerProcess[] {
    return this.#host.processes.filter(({ servingSince, state }) => servingSince !== undefined && state !== 'gone')
  }

  /** What each responds; of one that ends meanwhile, nothing. */
  async #all<Name extends keyof WorkerAdmin> (method: Name, ...parameters: Parameters<WorkerAdmin[Name]>) {
    return (await this.#settled(method, ...parameters)).flatMap(one => one.status === 'fulfilled' ? [one.value] : [])
  }

  /**
   * What those respond that have what is named.
   *
   * @throws What one of them says is wrong; AdminNotFoundError when none has it.
   */
  async #found<Name extends keyof WorkerAdmin> (method: Name, ...parameters: Parameters<WorkerAdmin[Name]>) {
    const settled = await this.#settled(method, ...parameters)
    const errors = settled.flatMap(one => one.status === 'rejected' && one.reason instanceof RemoteError ? [one.reason] : [])
    const found = settled.flatMap(one => one.status === 'fulfilled' ? [one.value] : [])
    const wrong = errors.find(({ statusCode }) => statusCode !== 404) ?? (found.length === 0 ? errors[0] : undefined)
    if (wrong !== undefined) throw wrong
    if (found.length === 0) throw new AdminNotFoundError('worker that serves')
    return found
  }

  async #first<Name extends keyof WorkerAdmin> (method: Name, ...parameters: Parameters<WorkerAdmin[Name]>) {
    for (const worker of this.#asked) {
      try {
        return await worker.admin(method, ...parameters)
      } catch {
        // It has ended meanwhile.
      }
    }
    return undefined
  }

  #settled<Name extends keyof WorkerAdmin> (method: Name, ...parameters: Parameters<WorkerAdmin[Name]>) {
    return Promise.allSettled(this.#asked.map(worker => worker.admin(method, ...parameters)))
  }
}

function total (counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Classes do not survive the way from another process. */
function withHistograms (measurement: Measurement): Measurement {
  for (const totals of measurement.routes.values()) {
    if (totals.durations !== undefined) totals.durations = Histogram.from(totals.durations)
  }
  return measurement
}
