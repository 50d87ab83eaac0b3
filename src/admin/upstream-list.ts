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
