import type { LoadResult } from './load/closed-loop.js'

/** Everything that was measured. */
export class Results {
  rounds = 0
  /** What did not work, in words. */
  readonly failures: string[] = []
  readonly #loads: Array<Map<string, LoadResult>> = []
  readonly #memory: Array<Map<string, number>> = []

  /** @param sample Results of one sample are compared with each other: they were measured in one go. */
  addLoad (sample: number, measure: string, peer: string, result: LoadResult): void {
    (this.#loads[sample] ??= new Map()).set(key(measure, peer), result)
  }

  addMemory (round: number, peer: string, kibibytesPerSession: number): void {
    (this.#memory[round] ??= new Map()).set(peer, kibibytesPerSession)
  }

  /** The median of one number over the samples, or undefined when it was not measured. */
  median (measure: string, peer: string, of: keyof LoadResult): number | undefined {
    return median(this.#loads.map(sample => sample.get(key(measure, peer))?.[of]))
  }

  memory (peer: string): number | undefined {
    return median(this.#memory.map(round => round.get(peer)))
  }

  /** How many times another peer's CPU time one needs: the median of the ratios of each sample. */
  cpuRatio (measure: string, peer: string, other: string): number | undefined {
    return median(this.#loads.map(sample => ratio(sample.get(key(measure, peer))?.cpuPerOperation, sample.get(key(measure, other))?.cpuPerOperation)))
  }

  memoryRatio (peer: string, other: string): number | undefined {
    return median(this.#memory.map(round => ratio(round.get(peer), round.get(other))))
  }
}

const key = (measure: string, peer: string) => `${measure} ${peer}`

function ratio (one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other
}

function median (values: ReadonlyArray<number | undefined>): number | undefined {
  const sorted = values.filter(value => value !== undefined).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
