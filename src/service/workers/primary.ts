import { fastify, type FastifyBaseLogger } from 'fastify'
import type { ServingState } from '../../admin/host.js'
import type { RecentEvents } from '../../admin/recent-events.js'
import type { TargetChangeRequest } from '../../admin/source.js'
import { Counters } from '../../observers/counters.js'
import type { GatewayConfig } from '../../options/index.js'
import type { ReloadOutcome } from '../../types.js'
import { adminOptions, ServiceAdmin } from '../admin.js'
import { summaryOf, type Reloaded } from '../changes.js'
import { ServiceLog } from '../log/logger.js'
import type { RestartOptions, Service } from '../service.js'
import { partsOf, type Settings } from '../settings.js'
import type { WorkersHost } from './admin-source.js'
import { workerCount } from './count.js'
import type { WorkerMetrics } from './metrics.js'
import { WorkerPool } from './pool.js'
import type { WorkerProcess } from './worker-process.js'

/** The service as several processes: this one listens to operators, and its workers serve. */
export class PrimaryService implements Service {
  readonly #serviceLog: ServiceLog
  #log: FastifyBaseLogger
  readonly #pool: WorkerPool
  readonly #admin: ServiceAdmin
  readonly #counters = new Counters()
  #metrics: WorkerMetrics | undefined
  #observing = false
  readonly #listeners = new Set<(note: (events: RecentEvents) => void) => void>()
  /** What operators have changed about targets, by upstream and URL: workers that are started later get it, too. */
  readonly #targets = new Map<string, { upstream: string, url: string, change: TargetChangeRequest }>()
  #stopping = false
  #closed: Promise<void> | undefined
  readAgain: (() => Promise<ReloadOutcome>) | undefined

  constructor (settings: Settings) {
    adminOptions(partsOf(settings))
    process.title = 'sluice'
    this.#serviceLog = new ServiceLog(settings.config, { isShared: true })
    this.#log = this.#logger(settings.config)
    this.#pool = new WorkerPool(settings, () => this.#log, {
      onServing: worker => this.#onServing(worker),
      onMeasured: (worker, metrics) => this.#metrics?.onMeasured(worker, metrics),
      onGone: worker => this.#metrics?.onGone(worker),
      onCrash: (_worker, text) => {
        this.#metrics?.countFailure()
        this.#tell(events => events.noteWorker('error', text))
      }
    })
    this.#admin = new ServiceAdmin(async () => {
      const [{ WorkersSource }, { WorkerMetrics }] = await Promise.all([import('./admin-source.js'), import('./metrics.js')])
      this.#metrics ??= new WorkerMetrics(this.#counters, () => this.#pool.workers)
      return new WorkersSource(this.#host(this.#metrics))
    }, () => this.#log)
    // Whatever ends this process, none is to be left behind.
    process.on('exit', () => this.#pool.kill())
  }

  get log (): FastifyBaseLogger {
    return this.#log
  }

  get config (): GatewayConfig {
    return this.#pool.settings.config
  }

  get state (): ServingState {
    if (this.#stopping) return 'stopping'
    return this.#pool.serving.length > 0 ? 'serving' : 'starting'
  }

  async listen (): Promise<string> {
    const { settings } = this.#pool
    const admin = await this.#admin.prepare(partsOf(settings))
    admin.commit()
    const count = workerCount(settings.config)!
    const address = await this.#pool.start(count)
    this.#log.info(`Server listening at ${address} with ${count} worker(s)`)
    return address
  }

  async reload (read: () => Promise<Settings>): Promise<Reloaded> {
    try {
      const settings = await read()
      const admin = await this.#admin.prepare(partsOf(settings))
      let reloaded
      try {
        reloaded = await this.#pool.reload(settings, workerCount(settings.config) ?? this.#pool.serving.length)
      } catch (error) {
        admin.discard()
        throw error
      }
      admin.commit()
      this.#log = this.#logger(settings.config)
      // What the configuration says of weights is in force again, as in workers that go on.
      for (const { change } of this.#targets.values()) delete change.weight
      this.#noteReload(true, summaryOf(reloaded))
      return reloaded
    } catch (error) {
      this.#noteReload(false, (error as Error).message)
      throw error
    }
  }

  async restart (options: RestartOptions): Promise<ReloadOutcome> {
    this.#log.info('restarting the workers, one after another')
    const count = await this.#pool.restart(options)
    const text = `${count} worker(s) restarted`
    this.#log.info(text)
    this.#tell(events => events.noteWorker('info', text))
    return { ok: true, text: `${text}.` }
  }

  reopenLog (): void {
    this.#serviceLog.reopen()
    this.#log.info('the file of the log was opened anew')
    for (const worker of this.#pool.workers) worker.reopenLog().catch(() => {})
  }

  close (): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close (): Promise<void> {
    this.#stopping = true
    await this.#pool.stop()
    await this.#admin.close()
    this.#serviceLog.close()
  }

  #onServing (worker: WorkerProcess): void {
    if (this.#observing) worker.observe(true).catch(() => {})
    for (const { upstream, url, change } of this.#targets.values()) {
      // A reload may have removed it.
      worker.admin('setTarget', upstream, url, change).catch(() => {})
    }
  }

  #noteReload (ok: boolean, text: string): void {
    this.#counters.countReload(ok)
    this.#tell(events => events.noteReload(ok, text))
  }

  #tell (note: (events: RecentEvents) => void): void {
    for (const listener of this.#listeners) listener(note)
  }

  /** As Fastify makes it for the workers: the lines are the same. */
  #logger (config: GatewayConfig): FastifyBaseLogger {
    return fastify({ logger: this.#serviceLog.options(config) }).log
  }

  #host (metrics: WorkerMetrics): WorkersHost {
    const service = this
    return {
      metrics,
      get state () { return service.state },
      get log () { return service.#log },
      get config () { return service.config },
      get reload () { return service.readAgain! },
      get startedAt () { return service.#counters.startedAt },
      get lastReload () {
        const { lastAt, ok, succeeded, failed } = service.#counters.reloads
        return succeeded + failed === 0 ? undefined : { at: lastAt, ok }
      },
      get processes () { return service.#pool.workers },
      observe: wanted => {
        this.#observing = wanted
        for (const worker of this.#pool.serving) worker.observe(wanted).catch(() => {})
      },
      setTarget: (upstream, url, change) => {
        const key = `${upstream}\n${url}`
        this.#targets.set(key, { upstream, url, change: { ...this.#targets.get(key)?.change, ...change } })
      },
      onEvent: listener => {
        this.#listeners.add(listener)
        return () => { this.#listeners.delete(listener) }
      }
    }
  }
}
