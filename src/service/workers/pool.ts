import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { ConfigInvalidError } from '../../errors.js'
import { withDefaults } from '../../options/defaults.js'
import { GatewayConfig } from '../../options/index.js'
import type { FamilyJson } from '../../observers/family.js'
import type { Reloaded } from '../changes.js'
import { explainFailure } from '../failures.js'
import type { Settings } from '../settings.js'
import type { LeaveOptions } from './protocol.js'
import { WorkerProcess, type WorkerEnd } from './worker-process.js'

/** A worker that has served for so long, in milliseconds, is replaced at once when it ends. */
const SERVED_WELL = 10_000
/** How long the first wait is before one that has not is replaced, in milliseconds, and the longest; each is twice the one before. */
const FIRST_WAIT = 500
const LONGEST_WAIT = 30_000
/** How much longer than the drain a worker may take to leave, in milliseconds; then it is killed. */
const LEAVE_MARGIN = 5_000

/** What becomes of the workers, for logs and metrics. */
export interface PoolObserver {
  /** It serves. */
  onServing (worker: WorkerProcess): void
  /** It ends, with these metrics. One that is killed, or for which nothing measures, has none. */
  onMeasured (worker: WorkerProcess, metrics: FamilyJson[]): void
  /** It has ended. */
  onGone (worker: WorkerProcess): void
  /** It has ended unasked. */
  onCrash (worker: WorkerProcess, text: string): void
}

/** The place of a worker: the one that has it, and how often those before it have failed one after another. */
interface Place {
  current: WorkerProcess | undefined
  failures: number
}

/** The workers: keeps as many as there are to be, and replaces one by one. */
export class WorkerPool {
  readonly stickyKey = randomBytes(32)
  readonly #log: () => FastifyBaseLogger
  readonly #observer: PoolObserver
  readonly #places: Place[] = []
  readonly #all = new Set<WorkerProcess>()
  readonly #stop = new AbortController()
  #settings: Settings
  /** What is done one behind the other. */
  #work: Promise<unknown> = Promise.resolve()

  constructor (settings: Settings, log: () => FastifyBaseLogger, observer: PoolObserver) {
    this.#settings = settings
    this.#log = log
    this.#observer = observer
  }

  /** All processes, those that leave included. */
  get workers (): readonly WorkerProcess[] {
    return [...this.#all]
  }

  /** Those that serve. */
  get serving (): readonly WorkerProcess[] {
    return this.workers.filter(({ state }) => state === 'serving')
  }

  get settings (): Settings {
    return this.#settings
  }

  get #stopping (): boolean {
    return this.#stop.signal.aborted
  }

  /**
   * Starts workers: one that shows whether all is well, and then the others.
   *
   * @returns The address where they listen.
   * @throws {RemoteError} for what the first one cannot serve.
   */
  start (count: number): Promise<string> {
    return this.#then(async () => {
      const places = Array.from({ length: count }, (_, index) => this.#place(index))
      const address = await this.#fill(places[0]!, 1)
      await Promise.all(places.slice(1).map((place, index) => this.#fill(place, index + 2)))
      return address
    })
  }

  /**
   * Puts other settings in force, worker by worker. If the first one refuses them, nothing has changed; one that refuses
   * them after others have not is replaced.
   *
   * @param count How many workers there are to be.
   */
  reload (settings: Settings, count: number): Promise<Reloaded> {
    return this.#then(async () => {
      const [first, ...others] = this.serving
      if (first === undefined) throw new Error('No worker serves at the moment, so the configuration was not checked. Try again when one does.')
      const reloaded = await first.reload(settings)
      this.#settings = settings
      let { sessionsEnded } = reloaded
      for (const worker of others) {
        try {
          sessionsEnded += (await worker.reload(settings)).sessionsEnded
        } catch (error) {
          // The one that takes its place has the new settings.
          if (worker.state !== 'serving') continue
          this.#log().error(`worker ${worker.number} did not take the configuration, and is replaced: ${explainFailure(error).text}`)
          await this.#replace(worker.number, { keepSessions: false })
        }
      }
      await this.#resize(count)
      return { ...reloaded, sessionsEnded }
    })
  }

  /**
   * Replaces all workers by new processes, one after another: each begins to serve before the one that it replaces leaves.
   *
   * @returns How many.
   * @throws {RemoteError} when one cannot serve; it and those after it stay as they are.
   */
  restart (options: LeaveOptions): Promise<number> {
    return this.#then(async () => {
      for (let number = 1; number <= this.#places.length; number++) {
        if (this.#stopping) break
        await this.#replace(number, options)
      }
      return this.#places.length
    })
  }

  /** Ends all of them, with their sessions. */
  async stop (): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.workers.map(async worker => {
      // One that does not respond ends when the time of the service is up.
      await worker.stop().catch(() => {})
      await worker.ended
    }))
  }

  /** Ends all of them at once. */
  kill (): void {
    for (const worker of this.#all) worker.kill()
  }

  #place (index: number): Place {
    this.#places[index] ??= { current: undefined, failures: 0 }
    return this.#places[index]
  }

  /** Starts a worker that takes a place. */
  async #fill (place: Place, number: number): Promise<string> {
    const worker = this.#fork(number)
    place.current = worker
    try {
      return await this.#serve(worker)
    } catch (error) {
      if (place.current === worker) place.current = undefined
      throw error
    }
  }

  async #serve (worker: WorkerProcess): Promise<string> {
    try {
      const address = await worker.serve({ settings: this.#settings, stickyKey: this.stickyKey })
      // It was starting while the others were reloaded.
      if (worker.settings !== this.#settings) await worker.reload(this.#settings)
      this.#observer.onServing(worker)
      return address
    } catch (error) {
      worker.kill()
      throw error
    }
  }

  #fork (number: number): WorkerProcess {
    // Whoever stops them all would not know of it.
    if (this.#stopping) throw new ConfigInvalidError('The service is stopping.')
    const worker: WorkerProcess = new WorkerProcess(number, {
      onReplace: failure => this.#succeed(worker, failure),
      onMeasured: metrics => this.#observer.onMeasured(worker, metrics)
    })
    this.#all.add(worker)
    worker.ended.then(end => this.#onEnd(worker, end))
    return worker
  }

  #onEnd (worker: WorkerProcess, end: WorkerEnd): void {
    const place = this.#places[worker.number - 1]
    this.#all.delete(worker)
    this.#observer.onGone(worker)
    // One that has not served yet is somebody's who waits for it; one that leaves has been replaced.
    if (place?.current !== worker || worker.servingSince === undefined || this.#stopping) return
    const text = `worker ${worker.number} (process ${worker.pid}) has ended unexpectedly: ${end.signal ?? `exit code ${end.code}`}`
    this.#log().error(text)
    this.#observer.onCrash(worker, text)
    this.#refill(place, worker).catch(() => {})
  }

  /** Has another worker take the place of one that has ended. */
  async #refill (place: Place, before: WorkerProcess): Promise<void> {
    const { number } = before
    place.current = undefined
    noteFailure(place, before)
    while (!this.#stopping && place.current === undefined && this.#places[number - 1] === place) {
      await this.#backOff(place, number)
      if (place.current !== undefined) return
      try {
        await this.#fill(place, number)
        this.#log().info(`worker ${number} serves again`)
      } catch (error) {
        if (!this.#stopping) this.#log().error(`worker ${number} cannot serve: ${explainFailure(error).text}`)
        place.failures++
      }
    }
  }

  /** Has another worker take the place of one that wants to end, and goes on until that serves. */
  async #succeed (worker: WorkerProcess, failure: string | undefined): Promise<void> {
    const { number } = worker
    const place = this.#places[number - 1]
    if (place?.current !== worker || this.#stopping) return
    if (failure !== undefined) {
      this.#observer.onCrash(worker, `worker ${number} (process ${worker.pid}) has failed: ${failure}`)
      noteFailure(place, worker)
      await this.#backOff(place, number)
    }
    const next = this.#fork(number)
    await this.#serve(next)
    if (place.current !== worker) {
      // It has ended meanwhile, and has been replaced.
      next.kill()
      return
    }
    place.current = next
    worker.state = 'leaving'
    this.#log().info(`worker ${number} serves again`)
  }

  /** Waits, longer and longer, if workers of a place fail again and again. Rejects when the service stops. */
  async #backOff ({ failures }: Place, number: number): Promise<void> {
    if (failures <= 1) return
    const wait = Math.min(FIRST_WAIT * 2 ** (failures - 2), LONGEST_WAIT)
    this.#log().warn(`worker ${number} is started again in ${wait} ms`)
    await setTimeout(wait, undefined, { signal: this.#stop.signal })
  }

  /** Has a new process take a place, and the one that has it leave. */
  async #replace (number: number, options: LeaveOptions): Promise<void> {
    const place = this.#place(number - 1)
    const worker = this.#fork(number)
    await this.#serve(worker)
    const before = place.current
    place.current = worker
    place.failures = 0
    if (before !== undefined) await this.#leave(before, options)
  }

  /** Resolves when it has left; or at once, if it keeps its sessions. */
  async #leave (worker: WorkerProcess, options: LeaveOptions): Promise<void> {
    if (worker.state === 'gone') return
    // It has nothing to end yet.
    if (worker.servingSince === undefined) return worker.kill()
    const left = worker.leave(options).then(metrics => { if (metrics !== undefined) this.#observer.onMeasured(worker, metrics) }, () => {})
    if (options.keepSessions) return
    const { drainTimeout } = withDefaults(GatewayConfig, worker.settings?.config ?? {}, ['drainTimeout'])
    const tooLate = new AbortController()
    const limit = drainTimeout + LEAVE_MARGIN
    setTimeout(limit, undefined, { signal: tooLate.signal, ref: false }).then(() => {
      this.#log().error(`worker ${worker.number} (process ${worker.pid}) has not left within ${limit} ms, and is killed`)
      worker.kill()
    }, () => {})
    await left
    await worker.ended
    tooLate.abort()
  }

  async #resize (count: number): Promise<void> {
    const extra = this.#places.splice(count)
    for (const { current } of extra) if (current !== undefined) await this.#leave(current, { keepSessions: false })
    for (let number = this.#places.length + 1; number <= count; number++) await this.#fill(this.#place(number - 1), number)
  }

  #then<T> (work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}

function noteFailure (place: Place, { servingSince }: WorkerProcess): void {
  if (servingSince !== undefined && performance.now() - servingSince > SERVED_WELL) place.failures = 0
  place.failures++
}
