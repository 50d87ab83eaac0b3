import { cpuMicros } from '../proc.js'

/** How long and how much a load goes on. */
export interface LoadLimits {
  /** How many connections work at once. */
  connections: number
  /** Before anything is counted: CPU time of the proxy, in milliseconds. On a busy machine the clock would say little. */
  warmUp: number
  /** While it is counted: CPU time of the proxy, in milliseconds. */
  window: number
  /** Ends either at the latest, in milliseconds by the clock. */
  patience: number
  /** Ends the window early. */
  maxOperations: number
}

export interface LoadResult {
  operations: number
  /** CPU time of the proxy for one operation, in microseconds. */
  cpuPerOperation: number
  operationsPerSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Share of its core that the proxy has used: below 1 the load, not the proxy, has set the pace. */
  proxyBusy: number
}

/** One connection at work: begins an operation when told to, and tells the loop when it is done. */
export interface Worker {
  /** Resolves when the connection is ready for `begin()`. */
  open (): Promise<void>
  begin (): void
  destroy (): void
}

const MAX_LATENCIES = 500_000
/** How often the CPU time is read, in milliseconds. */
const READ_EVERY = 10

/** A load with one operation in flight a connection: what is slower gets less, and nothing piles up. */
export class ClosedLoop {
  readonly #limits: LoadLimits
  readonly #pid: number
  readonly #latencies: Float64Array
  #operations = 0
  #counting = false
  /** When this phase, warming up or counting, has begun, and the proxy's CPU time then. */
  #phaseAt = 0
  #cpuAtPhase = 0
  #readAt = 0
  #done = false
  #resolve!: (result: LoadResult) => void
  #reject!: (error: Error) => void

  /** @param pid The proxy, whose CPU time is read at both ends of the window. */
  constructor (limits: LoadLimits, pid: number) {
    this.#limits = limits
    this.#pid = pid
    this.#latencies = new Float64Array(Math.min(limits.maxOperations, MAX_LATENCIES))
  }

  /** @throws when a connection fails, or when the load stands still. */
  async run (createWorker: (loop: ClosedLoop) => Worker): Promise<LoadResult> {
    const workers = Array.from({ length: this.#limits.connections }, () => createWorker(this))
    const result = new Promise<LoadResult>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A failure while the connections are opened is heard below.
    result.catch(() => {})
    const patience = setTimeout(() => this.fail(new Error(`the load stood still after ${this.#operations} operations`)),
      2 * this.#limits.patience + 10_000)
    try {
      await Promise.race([result, Promise.all(workers.map(worker => worker.open()))])
      this.#beginPhase()
      for (const worker of workers) worker.begin()
      return await result
    } finally {
      clearTimeout(patience)
      this.#done = true
      for (const worker of workers) worker.destroy()
    }
  }

  /**
   * To be called when an operation is done.
   *
   * @param begun When it was begun.
   * @returns Whether to begin another.
   */
  completed (begun: number): boolean {
    if (this.#done) return false
    const now = performance.now()
    if (this.#counting) {
      this.#latencies[this.#operations % this.#latencies.length] = now - begun
      this.#operations++
    }
    if (now >= this.#readAt || this.#operations >= this.#limits.maxOperations) this.#look(now)
    return !this.#done
  }

  fail (error: Error): void {
    if (this.#done) return
    this.#done = true
    this.#reject(error)
  }

  #beginPhase (): void {
    this.#cpuAtPhase = cpuMicros(this.#pid)
    this.#phaseAt = performance.now()
    this.#readAt = this.#phaseAt + READ_EVERY
  }

  #look (now: number): void {
    const { warmUp, window, patience, maxOperations } = this.#limits
    this.#readAt = now + READ_EVERY
    const cpu = cpuMicros(this.#pid) - this.#cpuAtPhase
    const isOver = cpu >= (this.#counting ? window : warmUp) * 1000 || now - this.#phaseAt >= patience
    if (this.#counting && (isOver || this.#operations >= maxOperations)) {
      this.#finish(cpu, now - this.#phaseAt)
    } else if (!this.#counting && isOver) {
      this.#counting = true
      this.#beginPhase()
    }
  }

  #finish (cpu: number, elapsed: number): void {
    this.#done = true
    const latencies = this.#latencies.subarray(0, Math.min(this.#operations, this.#latencies.length)).sort()
    this.#resolve({
      operations: this.#operations,
      cpuPerOperation: cpu / this.#operations,
      operationsPerSecond: this.#operations / elapsed * 1000,
      p50: latencies[Math.floor(latencies.length * 0.5)]!,
      p99: latencies[Math.floor(latencies.length * 0.99)]!,
      proxyBusy: cpu / (elapsed * 1000)
    })
  }
}
