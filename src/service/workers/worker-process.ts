import cluster, { type Worker } from 'node:cluster'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ConfigInvalidError } from '../../errors.js'
import type { FamilyJson } from '../../observers/family.js'
import type { Reloaded } from '../changes.js'
import type { Settings } from '../settings.js'
import { PROTOCOL, WORKER_VARIABLE, type LeaveOptions, type PrimaryMethods, type WorkerAdmin, type WorkerMethods, type WorkerStart } from './protocol.js'
import { inTime, TooLateError } from './in-time.js'
import { Rpc } from './rpc.js'

export type WorkerState = 'starting' | 'serving' | 'leaving' | 'gone'

/** How a worker has ended. */
export interface WorkerEnd {
  code: number | null
  signal: string | null
}

/** What a worker says of itself. */
export interface WorkerEvents {
  /** It wants to end, and waits for another one to take its place. Says what has failed, if anything has. */
  onReplace: (failure: string | undefined) => Promise<void>
  /** It ends, with these metrics. */
  onMeasured: (metrics: FamilyJson[]) => void
}

/** How long a worker may stand still before a reload, in milliseconds. */
const PING_TIMEOUT = 10_000
/** How long it may take to respond to the admin listener, in milliseconds: a little less than a sample takes. */
const ADMIN_TIMEOUT = 800

/** A worker, as its primary sees it. */
export class WorkerProcess {
  readonly number: number
  readonly startedAt = Date.now()
  /** Since when it serves, by `performance.now()`. */
  servingSince: number | undefined
  state: WorkerState = 'starting'
  /** What it serves, or is to serve. */
  settings: Settings | undefined
  readonly ended: Promise<WorkerEnd>
  readonly #worker: Worker
  readonly #rpc: Rpc<WorkerMethods>
  readonly #ready: Promise<void>

  /** Starts a process. */
  constructor (number: number, { onReplace, onMeasured }: WorkerEvents) {
    this.number = number
    // All accept from one socket: measured, nothing is lost when one stops, and each gets its share.
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.setupPrimary({ exec: program(), args: [], serialization: 'advanced' })
    this.#worker = cluster.fork({ [WORKER_VARIABLE]: `${number}/${PROTOCOL}` })
    let setReady = (): void => {}
    this.#ready = new Promise(resolve => { setReady = resolve })
    const methods: PrimaryMethods = {
      ready: () => setReady(),
      replace: onReplace,
      measured: onMeasured
    }
    this.#rpc = new Rpc<WorkerMethods>(this.#worker, methods as never)
    // Such as a channel that breaks off: its end follows.
    this.#worker.on('error', () => {})
    this.ended = new Promise(resolve => {
      this.#worker.once('exit', (code: number | null, signal: string | null) => {
        this.state = 'gone'
        this.#rpc.close(new Error(`worker ${number} has ended (${signal ?? `exit code ${code}`})`))
        resolve({ code, signal })
      })
    })
  }

  get pid (): number {
    return this.#worker.process.pid ?? 0
  }

  /** @returns The address where it listens. */
  async serve (start: WorkerStart): Promise<string> {
    this.settings = start.settings
    // A message that comes before it listens is lost; the first calls wait for it.
    await Promise.race([this.#ready, this.ended])
    const address = await this.#rpc.call('serve', start)
    if (this.state === 'starting') this.state = 'serving'
    this.servingSince = performance.now()
    return address
  }

  /** One that does not respond at all stands still: it is killed, and rejects. How long plugins take is Fastify's to limit. */
  async reload (settings: Settings): Promise<Reloaded> {
    await inTime(this.#rpc.call('ping'), PING_TIMEOUT).catch((error: Error) => {
      if (!(error instanceof TooLateError)) throw error
      this.kill()
      throw new ConfigInvalidError(`worker ${this.number} (process ${this.pid}) has not responded within ${PING_TIMEOUT} ms, and is killed. Try again when another one serves in its place.`)
    })
    const reloaded = await this.#rpc.call('reload', settings)
    this.settings = settings
    return reloaded
  }

  /** Has it end while others serve. @returns Its last metrics, if they are collected. */
  async leave (options: LeaveOptions): Promise<FamilyJson[] | undefined> {
    this.state = 'leaving'
    return await this.#rpc.call('leave', options)
  }

  async stop (): Promise<void> {
    this.state = 'leaving'
    await Promise.race([this.#ready, this.ended])
    await this.#rpc.call('stop')
  }

  reopenLog (): Promise<void> {
    return this.#rpc.call('reopenLog')
  }

  observe (wanted: boolean): Promise<void> {
    return this.#rpc.call('observe', wanted)
  }

  /** One whose event loop stands still must not hold up the others: it rejects after a while. */
  async admin<Name extends keyof WorkerAdmin> (method: Name, ...parameters: Parameters<WorkerAdmin[Name]>): Promise<Awaited<ReturnType<WorkerAdmin[Name]>>> {
    return await inTime(this.#rpc.call('admin', method, parameters), ADMIN_TIMEOUT) as Awaited<ReturnType<WorkerAdmin[Name]>>
  }

  /** Ends it at once. */
  kill (): void {
    this.state = 'gone'
    this.#worker.process.kill('SIGKILL')
  }
}

/**
 * The program that a worker runs: the command, as it is on the disk by now. Where it was started by a link that leads
 * elsewhere by now, as deployments do, that is other code than this process has.
 */
function program (): string {
  const own = fileURLToPath(import.meta.url).replace(/workers([/\\])worker-process\.([jt]s)$/, 'cli.$2')
  try {
    const started = realpathSync(process.argv[1] ?? '')
    return /[/\\]service[/\\]cli\.[jt]s$/.test(started) ? started : own
  } catch {
    return own
  }
}
