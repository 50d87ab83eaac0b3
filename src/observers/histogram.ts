/** Observations by size: plain numbers, for whoever collects them. */
export class Histogram {
  /** Upper bounds, in ascending order; what is larger is counted in `count` alone. */
  readonly bounds: readonly number[]
  /** How many observations fell between a bound and the one before it. */
  readonly counts: number[]
  count = 0
  sum = 0

  constructor (bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length).fill(0)
  }

  /** One that comes from another process, as a plain object. */
  static from ({ bounds, counts, count, sum }: Pick<Histogram, 'bounds' | 'counts' | 'count' | 'sum'>): Histogram {
    return Object.assign(new Histogram(bounds), { counts: [...counts], count, sum })
  }

  observe (value: number): void {
    this.count++
    this.sum += value
    const { bounds } = this
    for (let index = 0; index < bounds.length; index++) {
      if (value <= bounds[index]!) {
        this.counts[index]!++
        return
      }
    }
  }

  copy (): Histogram {
    const copy = new Histogram(this.bounds)
    copy.add(this)
    return copy
  }

  /** Adds the observations of another one with the same bounds. */
  add ({ counts, count, sum }: Histogram): void {
    for (const [index, value] of counts.entries()) this.counts[index]! += value
    this.count += count
    this.sum += sum
  }

  /** What has been observed since an earlier copy was made. */
  since (before: Histogram): Histogram {
    const difference = new Histogram(this.bounds)
    for (const [index, value] of this.counts.entries()) difference.counts[index] = value - before.counts[index]!
    difference.count = this.count - before.count
    difference.sum = this.sum - before.sum
    return difference
  }

  /**
   * The value below which a share of the observations lies, estimated between two bounds; the largest bound for what is
   * beyond all of them.
   *
   * @returns null without any observation.
   */
  quantile (share: number): number | null {
    if (this.count === 0) return null
    const wanted = share * this.count
    let below = 0
    for (const [index, count] of this.counts.entries()) {
      const bound = this.bounds[index]!
      const lower = index === 0 ? 0 : this.bounds[index - 1]!
      if (below + count >= wanted && count > 0) return lower + (bound - lower) * Math.max(wanted - below, 0) / count
      below += count
    }
    return this.bounds.at(-1)!
  }
}
