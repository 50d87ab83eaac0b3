import { AggregatorRegistry, Gauge, Counter, Registry } from 'prom-client'
import type { FamilyJson } from '../../observers/family.js'
import { metrics, type MeasuredGateway } from '../../observers/metrics.js'
import type { Counters } from '../../observers/counters.js'
import type { WorkerProcess } from './worker-process.js'

/** Families of which the primary knows more than its workers. */
const OF_PRIMARY = /^sluice_config_/

/**
 * The metrics of all workers together. Counts of workers that have ended stay: a sum that became smaller would look to
 * Prometheus as though all had begun anew.
 */
export class WorkerMetrics {
  readonly #own: Registry
  readonly #failures: Counter
  /** The last numbers of each worker. */
  readonly #last = new Map<WorkerProcess, FamilyJson[]>()
  /** Counters and histograms of workers that have ended. */
  #ended: FamilyJson[] = []

  constructor (counters: Counters, processes: () => readonly WorkerProcess[]) {
    const nothing: MeasuredGateway = { counters, sessions: { list: () => [] }, upstreams: { list: () => [] } }
    this.#own = metrics(nothing)
    const workers: Gauge = new Gauge({
      name: 'sluice_workers',
      help: 'Worker processes by their state.',
      labelNames: ['state'],
      registers: [this.#own],
      collect: () => {
        for (const state of ['starting', 'serving', 'leaving'] as const) {
          workers.set({ state }, processes().filter(worker => worker.state === state).length)
        }
      }
    })
    this.#failures = new Counter({ name: 'sluice_worker_failures_total', help: 'Workers that have ended unasked.', registers: [this.#own] })
  }

  countFailure (): void {
    this.#failures.inc()
  }

  /** The last numbers of a worker that ends. */
  onMeasured (worker: WorkerProcess, families: FamilyJson[]): void {
    this.#last.set(worker, families.filter(({ name }) => !OF_PRIMARY.test(name)))
  }

  onGone (worker: WorkerProcess): void {
    const last = this.#last.get(worker)
    this.#last.delete(worker)
    if (last === undefined) return
    this.#ended = summed([this.#ended, last.filter(({ type }) => type !== 'gauge')])
  }

  /** A registry with what they have counted by now. */
  async collect (workers: readonly WorkerProcess[]): Promise<Registry> {
    await Promise.all(workers.map(async worker => {
      // Of one that does not respond in time, the last numbers are used.
      const families = await worker.admin('metrics').catch(() => undefined)
      if (families !== undefined && worker.state !== 'gone') this.onMeasured(worker, families)
    }))
    const own = await this.#own.getMetricsAsJSON() as unknown as FamilyJson[]
    return AggregatorRegistry.aggregate([own, ...this.#last.values(), this.#ended].map(prepared) as never) as Registry
  }
}

/** prom-client omits when a process was started; of several, the first one counts. */
function prepared (families: readonly FamilyJson[]): FamilyJson[] {
  return families.map(family => family.aggregator === 'omit' ? { ...family, aggregator: 'min' as const } : family)
}

function summed (all: FamilyJson[][]): FamilyJson[] {
  const registry = AggregatorRegistry.aggregate(all as never) as Registry
  // The registry's own get() is synchronous for what it has aggregated.
  return registry.getMetricsAsArray().map(metric => (metric as unknown as { get (): FamilyJson }).get())
}
