import { Type, type Static } from '@sinclair/typebox'
import type { RouteStatus } from '../types.js'
import type { RouteRates } from './sampler.js'

export const RouteRow = Type.Object({
  url: Type.String({ description: 'The URL pattern.' }),
  methods: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'null for all.' }),
  constraints: Type.Union([Type.String(), Type.Null()], { description: 'What a request must have beside its URL, in words.' }),
  upstream: Type.Union([Type.String(), Type.Null()], { description: 'null for one that code chooses.' }),
  websocket: Type.Boolean({ description: 'Whether it lets WebSockets through.' }),
  requests: Type.Number({ description: 'A second, over all routes of this URL, as all that follows.' }),
  errors: Type.Number({ description: 'A second, with a status of 5xx.' }),
  sessions: Type.Integer({ description: 'Open.' }),
  p50: Type.Union([Type.Number(), Type.Null()], { description: 'Milliseconds, of the last second; null without a request.' }),
  p99: Type.Union([Type.Number(), Type.Null()])
})
export type RouteRow = Static<typeof RouteRow>

const NO_RATES: RouteRates = { requests: 0, errors: 0, sessions: 0, p50: null, p99: null }

export function routeRow ({ url, methods, constraints, upstream, websocket }: RouteStatus, rates: RouteRates = NO_RATES): RouteRow {
  return { url, methods: methods === undefined ? null : [...methods], constraints: constraints ?? null, upstream: upstream ?? null, websocket, ...rates }
}
