import { goalResults } from '../goals.js'
import { measures, type Measure } from '../measures.js'
import type { Leg, Peer } from '../peers/peer.js'
import type { Results } from '../results.js'

export interface Table {
  title: string
  head: string[]
  rows: string[][]
}

const NOTHING = '–'
/** Of its core. With less to do, a proxy was waiting for the load. */
const PACE_SETTING = 0.9

const costUnit = ({ unit }: Measure) => `µs per ${unit}`

/** What a leg costs: rows of peers, columns of measures. */
export function costTable (results: Results, peers: readonly Peer[], leg: Leg): Table {
  const columns = measures.filter(measure => measure.leg === leg)
  const table: Table = {
    title: 'CPU time of the proxy',
    head: ['', ...columns.map(measure => `${shortTitle(measure)}, ${costUnit(measure)}`)],
    rows: withLeg(peers, leg).map(({ name }) => [name, ...columns.map(({ id, units }) => number(divided(results.median(id, name, 'cpuPerOperation'), units)))])
  }
  if (leg === 'ws') {
    table.title += ', and memory'
    table.head.push('idle session, KiB')
    table.rows.forEach(row => row.push(number(results.memory(row[0]!))))
  }
  return table
}

/** What sluice needs, in terms of what each peer needs. */
export function ratioTable (results: Results, peers: readonly Peer[], leg: Leg): Table {
  const columns = measures.filter(measure => measure.leg === leg)
  const table: Table = {
    title: 'Sluice, in terms of each',
    head: ['', ...columns.map(shortTitle)],
    rows: withLeg(peers, leg).filter(({ name }) => name !== 'sluice').map(({ name }) => [name, ...columns.map(({ id }) => times(results.cpuRatio(id, 'sluice', name)))])
  }
  if (leg === 'ws') {
    table.head.push('idle session')
    table.rows.forEach(row => row.push(times(results.memoryRatio('sluice', row[0]!))))
  }
  return table
}

export function paceTable (results: Results, peers: readonly Peer[], leg: Leg): Table {
  const columns = measures.filter(measure => measure.leg === leg)
  const pace = ({ id, units }: Measure, name: string): string => {
    const perSecond = results.median(id, name, 'operationsPerSecond')
    if (perSecond === undefined) return NOTHING
    const sets = results.median(id, name, 'proxyBusy')! >= PACE_SETTING
    return `${sets ? '' : '≥ '}${grouped(perSecond * units)}`
  }
  return {
    title: 'Pace and latency',
    head: ['', ...columns.flatMap(measure => [
      `${shortTitle(measure)}, ${measure.unit === 'MiB' ? 'MiB' : `${measure.unit}s`}/s`,
      ...(measure.latency ? ['p50, ms', 'p99, ms'] : [])
    ])],
    rows: withLeg(peers, leg).map(({ name }) => [name, ...columns.flatMap(measure => [
      pace(measure, name),
      ...(measure.latency ? [number(results.median(measure.id, name, 'p50')), number(results.median(measure.id, name, 'p99'))] : [])
    ])])
  }
}

export function goalTable (results: Results, peers: readonly Peer[]): Table {
  return {
    title: 'Goals',
    head: ['Measure', 'Compared with', 'At most', 'Measured', ''],
    rows: goalResults(results, peers).map(({ measure, comparedWith, unit, limit, reached }) => {
      const told = (value: number) => unit === 'times' ? times(value) : `${number(value)} ${unit}`
      return [measure, comparedWith ?? NOTHING, told(limit), told(reached), reached <= limit ? 'met' : `missed by ${Math.round((reached / limit - 1) * 100)} %`]
    })
  }
}

/** A title without its leg, which stands above. */
export const shortTitle = ({ title }: Measure): string => title.slice(title.indexOf(', ') + 2)

export function number (value: number | undefined): string {
  if (value === undefined) return NOTHING
  return value < 100 ? value.toPrecision(3) : grouped(value)
}

const grouped = (value: number) => Math.round(value).toLocaleString('en')
const times = (value: number | undefined) => value === undefined ? NOTHING : `× ${value.toFixed(2)}`
const divided = (value: number | undefined, by: number) => value === undefined ? undefined : value / by
const withLeg = (peers: readonly Peer[], leg: Leg) => peers.filter(({ legs }) => legs.includes(leg))
