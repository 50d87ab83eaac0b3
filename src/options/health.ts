import { Type } from '@sinclair/typebox'
import { closed, milliseconds, text } from './units.js'
import type * as types from './types.js'

const status = Type.Integer({ minimum: 100, maximum: 599 })

/** What ejects a target from its upstream for a while. */
export const PassiveHealthOptions = Type.Object({
  failures: Type.Optional(Type.Integer({
    minimum: 1, maximum: 1000, default: 3, description: 'Consecutive failures that eject a target: connections that cannot be made, new connections that break before a response, and timeouts of a response head or a handshake. Refused handshakes do not count.'
  })),
  statuses: Type.Optional(Type.Array(status, { description: 'Response statuses that count as failures, such as [502, 503]. Default: none.' })),
  ejectFor: Type.Optional(milliseconds(10_000, 'How long the first ejection of a target lasts; the second one in a row lasts twice as long, the third three times, and so on, each shortened or lengthened by up to 20 %.')),
  maxEjectFor: Type.Optional(milliseconds(300_000, 'The longest ejection.')),
  maxEjected: Type.Optional(Type.Number({
    minimum: 0, maximum: 1, default: 0.5, description: 'Share of the targets that can be ejected at a time, rounded down, but at least one of several. The last target that is healthy is never ejected.'
  }))
}, { ...closed, description: 'Passive health checks: what traffic shows of a target.' })
export type PassiveHealthOptions = types.PassiveHealthOptions

export const passiveHealthOption = Type.Optional(Type.Union([Type.Boolean(), PassiveHealthOptions], {
  default: true, description: 'Whether a target with consecutive failures is ejected for a while: true, false, or an object of options.'
}))

/** How targets are checked. */
export const HealthOptions = Type.Object({
  path: Type.Optional(text('^/[!-~]*$', 'must begin with / and consist of printable ASCII characters without spaces', { description: 'Path, with query, of an HTTP GET. With websocket, that of the handshake.' })),
  tcp: Type.Optional(Type.Literal(true, { description: 'Whether it is enough that a connection opens; over TLS, with its handshake.' })),
  websocket: Type.Optional(Type.Literal(true, { description: 'Whether a WebSocket is opened, and closed with 1000, to check a target.' })),
  interval: Type.Optional(milliseconds(5_000, 'Time from one check of a target to the next, shortened or lengthened by up to a fifth. The first check is made at once, and one that contradicts the state of the target is repeated within a second.')),
  timeout: Type.Optional(milliseconds(2_000, 'How long a check may take; then it has failed.')),
  fall: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 2, description: 'Failed checks in a row after which a target is down.' })),
  rise: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 2, description: 'Passed checks in a row after which it is up again.' })),
  statuses: Type.Optional(Type.Array(Type.Union([status, text('^[1-5][0-9][0-9]-[1-5][0-9][0-9]$', "must be a number, or a range such as '200-399'")]), {
    minItems: 1, description: "Statuses of an HTTP check that pass: numbers, or ranges such as '200-399'. Default: 200-399."
  })),
  host: Type.Optional(Type.String({ minLength: 1, description: 'Host header of the check. Default: that of the target.' })),
  headers: Type.Optional(Type.Record(Type.String({ minLength: 1 }), Type.String(), { description: 'Further headers of the check.' })),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535, description: "Port that is checked. Default: the target's." }))
}, { ...closed, description: 'Active health checks: one of path, tcp and websocket, and when a target is up or down.' })
export type HealthOptions = types.HealthOptions
