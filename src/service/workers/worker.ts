import cluster from 'node:cluster'
import { setTimeout as pause } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { LocalSource } from '../../admin/local-source.js'
import type { FamilyJson } from '../../observers/family.js'
import { withDefaults } from '../../options/defaults.js'
import { GatewayConfig } from '../../options/index.js'
import { openGateway, type RunningGateway } from '../running-gateway.js'
import { partsOf } from '../settings.js'
import { surviveOutput } from '../log/logger.js'
import type { LeaveOptions, PrimaryMethods, WorkerMethods, WorkerStart } from './protocol.js'
import { Rpc } from './rpc.js'

/** How long a worker that wants to end waits for the one that takes its place, in milliseconds. */
const LONGEST_REPLACEMENT = 60_000
/** How much longer than the drain a worker may take to end by itself, in milliseconds. */
const STOP_MARGIN = 5_000

/** Runs a worker: a process that serves what its primary says, and ends when that says so, or has gone. */
export function runWorker (number: number): void {
  for (const output of [process.stdout, process.stderr]) surviveOutput(output)
  process.title = `sluice worker ${number}`
  const worker = new Worker(number)
  // A terminal sends these to the whole group. What they ask for is the primary's to do.
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {})
  cluster.worker!.once('disconnect', () => {
    if (cluster.worker!.exitedAfterDisconnect) return
    // The primary was killed. Without this, Node would exit at once, and cut every session.
    cluster.worker!.exitedAfterDisconnect = true
    worker.orphaned()
  })
}

class Worker {
  readonly #primary: Rpc<PrimaryMethods>
  readonly #number: number
  #gateway: RunningGateway | undefined
  #admin: LocalSource | undefined
  #ending: Promise<unknown> | undefined

  constructor (number: number) {
    this.#number = number
    const methods: WorkerMethods = {
      serve: start => this.#serve(start),
      ping: () => {},
      reload: settings => this.#running.reload(() => partsOf(settings)),
      leave: options => this.#leave(options),
      stop: () => this.#stop(),
      reopenLog: async () => { this.#running.reopenLog() },
      observe: wanted => this.#observe(wanted),
      admin: (method, parameters) => this.#askAdmin(method, parameters)
    }
    this.#primary = new Rpc<PrimaryMethods>(cluster.worker!, methods as never)
    this.#primary.call('ready').catch(() => {})
    closeWithGrace({ delay: false, logger: false, skip: ['beforeExit', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR2'] }, async ({ signal, err }) => {
      if (this.#gateway === undefined) return
      const { log } = this.#gateway.app
      if (err === undefined) log.info(`worker ${this.#number}: ${signal} received, leaving`)
      else log.fatal({ err }, `worker ${this.#number}: uncaught error, leaving`)
      // What the primary cannot replace leaves all the same.
      await Promise.race([this.#primary.call('replace', err?.message), pause(LONGEST_REPLACEMENT, undefined, { ref: false })]).catch(() => {})
      this.#limit()
      await (this.#ending ??= this.#gateway.leave({ keepSessions: false }))
      const metrics = await this.#metrics()
      if (metrics !== undefined) await this.#primary.call('measured', metrics).catch(() => {})
    })
  }

  get #running (): RunningGateway {
    if (this.#gateway === undefined) throw new Error('The worker does not serve yet.')
    return this.#gateway
  }

  async #serve ({ settings, stickyKey }: WorkerStart): Promise<string> {
    const gateway = openGateway(partsOf(settings), { stickyKey: Buffer.from(stickyKey), worker: this.#number })
    await gateway.filled
    this.#gateway = gateway
    return await gateway.listen()
  }

  async #leave (options: LeaveOptions): Promise<FamilyJson[] | undefined> {
    await (this.#ending ??= this.#running.leave(options))
    const metrics = await this.#metrics()
    this.#exit()
    return metrics
  }

  async #metrics (): Promise<FamilyJson[] | undefined> {
    const registry = await this.#admin?.metrics()
    return await registry?.getMetricsAsJSON() as FamilyJson[] | undefined
  }

  async #stop (): Promise<void> {
    // One that keeps sessions has begun to end already.
    this.#ending = this.#gateway?.close()
    await this.#ending
    this.#exit()
  }

  /** The primary has gone: ends as the service would have. */
  orphaned (): void {
    this.#primary.close(new Error('The primary process has gone.'))
    this.#gateway?.app.log.error(`worker ${this.#number}: the primary process has gone, stopping`)
    this.#limit()
    Promise.resolve(this.#gateway?.close()).finally(() => process.exit(1))
  }

  #limit (): void {
    const { drainDelay, drainTimeout } = withDefaults(GatewayConfig, this.#gateway?.parts.config ?? {}, ['drainDelay', 'drainTimeout'])
    setTimeout(() => process.exit(1), drainDelay + drainTimeout + STOP_MARGIN).unref()
  }

  /** Ends the process, once the primary has been told how it went. */
  #exit (): void {
    setImmediate(() => {
      cluster.worker!.disconnect()
      // What a plugin has left open must not keep it.
      setTimeout(() => process.exit(0), 1_000).unref()
    })
  }

  async #observe (wanted: boolean): Promise<void> {
    if (wanted && this.#admin === undefined) {
      const { LocalSource } = await import('../../admin/local-source.js')
      this.#admin = new LocalSource(this.#running.adminHost)
    } else if (!wanted) {
      this.#admin?.close()
      this.#admin = undefined
    }
  }

  async #askAdmin (method: keyof LocalSource, parameters: unknown[]): Promise<unknown> {
    await this.#observe(true)
    const admin = this.#admin!
    switch (method) {
      case 'measure': return await admin.measureIncrements()
      case 'metrics': return await this.#metrics()
      default: return await (admin[method] as (...parameters: unknown[]) => unknown)(...parameters)
    }
  }
}
