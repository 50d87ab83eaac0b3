import { Type, type Static } from '@sinclair/typebox'
import type { TargetStatus, UpstreamControl } from '../upstreams/control.js'

export const TargetRow = Type.Object({
  url: Type.String(),
  weight: Type.Number(),
  priority: Type.Number(),
  labels: Type.Record(Type.String(), Type.String()),
  state: Type.Union([Type.Literal('ready'), Type.Literal('drain'), Type.Literal('maintenance')], { description: 'As set by an operator.' }),
  health: Type.Union([Type.Literal('healthy'), Type.Literal('ejected'), Type.Literal('down')], { description: "As found by health checks: 'ejected' by passive ones, 'down' by active ones." }),
  since: Type.Integer({ description: 'Since when it has this state and health, in milliseconds since 1970.' }),
  reason: Type.Union([Type.String(), Type.Null()]),
  requests: Type.Integer({ description: 'Under way.' }),
  handshakes: Type.Integer({ description: 'Under way.' }),
  sessions: Type.Integer({ description: 'Open.' }),
  failures: Type.Integer({ description: 'Attempts that have failed.' }),
  ejections: Type.Integer({ description: 'How often passive health checks have ejected it.' })
})
export type TargetRow = Static<typeof TargetRow>

export const UpstreamRow = Type.Object({
  name: Type.String(),
  requests: Type.Integer({ description: 'Under way, over all targets.' }),
  handshakes: Type.Integer({ description: 'Under way.' }),
  sessions: Type.Integer({ description: 'Open.' }),
  retries: Type.Integer({ description: 'Requests and handshakes under way that were sent again.' }),
  waiting: Type.Integer({ description: 'Requests and handshakes that wait for a place at a target.' }),
  targets: Type.Array(TargetRow)
})
export type UpstreamRow = Static<typeof UpstreamRow>

export function upstreamRow ({ name, load, targets }: UpstreamControl): UpstreamRow {
  return { name, ...load, targets: targets.map(targetRow) }
}

export function targetRow (target: TargetStatus): TargetRow {
  return { ...target, labels: { ...target.labels }, since: target.since.getTime(), reason: target.reason ?? null }
}

/** The upstreams of several processes as one: what each has to do is added up. */
export function sumOfUpstreams (all: ReadonlyArray<readonly UpstreamRow[]>): UpstreamRow[] {
  const byName = new Map<string, UpstreamRow[]>()
  for (const row of all.flat()) byName.set(row.name, [...byName.get(row.name) ?? [], row])
  return [...byName].map(([name, rows]) => {
    const targets = new Map<string, TargetRow[]>()
    for (const target of rows.flatMap(({ targets }) => targets)) targets.set(target.url, [...targets.get(target.url) ?? [], target])
    return {
      name,
      ...sums(rows, ['requests', 'handshakes', 'sessions', 'retries', 'waiting']),
      targets: [...targets.values()].map(worstOfTargets)
    }
  })
}

/** From the best to the worst. */
const HEALTH = ['healthy', 'ejected', 'down'] as const

/** A target of several processes as one: as healthy as where it is worst, and with what it has to do for all. */
export function worstOfTargets (rows: readonly TargetRow[]): TargetRow {
  const worst = rows.reduce((one, other) => HEALTH.indexOf(other.health) > HEALTH.indexOf(one.health) ? other : one)
  const same = rows.filter(({ health }) => health === worst.health).length
  const where = same < rows.length ? `in ${same} of ${rows.length} workers` : undefined
  const reason = where === undefined ? worst.reason : worst.reason === null ? where : `${where}: ${worst.reason}`
  return { ...worst, ...sums(rows, ['requests', 'handshakes', 'sessions', 'failures', 'ejections']), reason }
}

function sums<Name extends string> (rows: ReadonlyArray<{ readonly [name in Name]: number }>, names: readonly Name[]): { [name in Name]: number } {
  return Object.fromEntries(names.map(name => [name, rows.reduce((sum, row) => sum + row[name], 0)])) as { [name in Name]: number }
}
