import { Type } from '@sinclair/typebox'
import type { DelayFunction, ReconnectFunction } from './functions.js'
import { anyCloseCode, closed, milliseconds } from './units.js'
import type * as types from './types.js'

const delay = milliseconds(500, 'How long the first attempt waits, at most (see jitter); each further one waits twice as long as the one before.')

const reconnectOptions = {
  attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 10, description: 'Handshakes that are tried, each with one target after another, before the session ends as it would have without this. See stableAfter for connections that do not last.' })),
  delay: Type.Optional(delay),
  maxDelay: Type.Optional(milliseconds(10_000, 'How long an attempt waits at most.')),
  stableAfter: Type.Optional(Type.Integer({
    unit: 'milliseconds', minimum: 0, maximum: 2 ** 31 - 1, description: 'How long a connection must last for the attempts, and what they wait, to be counted anew; one that is lost sooner goes on with those that led to it, so that a target which accepts and closes is not asked for ever. Milliseconds. Default: maxDelay.'
  })),
  jitter: Type.Optional(Type.Number({ minimum: 0, maximum: 1, default: 0.5, description: 'Share of the delay that is left to chance, so that sessions which were lost together do not come back together: with 0.5, between half of it and all of it.' })),
  bufferSize: Type.Optional(Type.Integer({
    unit: 'bytes', minimum: 1, maximum: 2 ** 31 - 1, default: 1_048_576, description: 'How much of what the client sends is kept while no target is connected; beyond that, the client is not read. Messages up to this size are collected before they are forwarded; a target that is lost in the middle of a longer one ends the session. On a side with message hooks, messages.maxSize applies instead. Bytes.'
  })),
  timeout: Type.Optional(Type.Integer({
    unit: 'milliseconds', minimum: 1, maximum: 2 ** 31 - 1, description: 'How long a target may take for its connection, and then for its response. Milliseconds. Default: connectTimeout and handshakeTimeout of the route.'
  })),
  codes: Type.Optional(Type.Union([Type.Literal('all'), Type.Array(Type.Union([...anyCloseCode]))], {
    default: [1001, 1012, 1014], description: "Close codes of a target after which another takes its place, beside its loss without one; 'all' for any, and a Close without a code."
  }))
}

/** The `reconnect` option of a route, in sluice.yaml. */
export const ReconnectConfig = Type.Object(reconnectOptions, { ...closed, description: 'Keeps the connection of a client whose target is lost, and makes the same handshake again, with another target or the same.' })
export type ReconnectConfig = types.ReconnectConfig

/** The `reconnect` option of a route, from code. */
export const ReconnectOptions = Type.Object({
  ...reconnectOptions,
  delay: Type.Optional(Type.Union([delay, Type.Unsafe<DelayFunction>(Type.Function([Type.Any(), Type.Any(), Type.Any()], Type.Any(), { typeName: 'DelayFunction' }))], {
    default: 500, description: 'How long the first attempt waits, at most (see jitter); each further one waits twice as long as the one before. Or a function that gives it for the number of an attempt, its session and why that has lost its target; if it throws, or gives something else than a number of at least 0, the session ends. Milliseconds.'
  })),
  onReconnect: Type.Optional(Type.Unsafe<ReconnectFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), {
    typeName: 'ReconnectFunction',
    description: "Called when there is another connection to a target, with the session and the number of the attempt. What it sends with session.send('target', …) comes before what was kept of the client. It may be async, and take up to handshakeTimeout. Where it throws, or takes longer, the connection is given up and the next attempt follows."
  })))
}, { ...closed, description: 'Keeps the connection of a client whose target is lost, and makes the same handshake again, with another target or the same.' })
export type ReconnectOptions = types.ReconnectOptions
