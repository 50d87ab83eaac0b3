/* What a family of metrics is, for prom-client and for another process. */

export type Labels = Record<string, string | number>

export interface Sample {
  labels: Labels
  value: number
  /** Of a part of a histogram. */
  metricName?: string
}

export type Kind = 'counter' | 'gauge' | 'histogram'

export type Aggregator = 'sum' | 'first' | 'omit' | 'average' | 'min' | 'max'

/** A family with its numbers, as prom-client's getMetricsAsJSON() gives it: one process can give it to another. */
export interface FamilyJson {
  name: string
  help: string
  type: Kind
  aggregator: Aggregator
  values: Sample[]
}
