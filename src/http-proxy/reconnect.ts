import type { FastifyBaseLogger } from 'fastify'
import { OptionsInvalidError } from '../errors.js'
import type { WebSocketOptions } from '../options/index.js'
import { ReconnectLines } from './reconnect-lines.js'

/** The most attempts that the gateway counts: `Infinity` of @fastify/http-proxy. At a second each they take 11 days. */
const MOST_ATTEMPTS = 1_000_000
const MOST_MILLISECONDS = 2 ** 31 - 1

/** Each option of `wsReconnect`, with its default in @fastify/http-proxy and its least value; a flag has none. */
const NUMBERS = { pingInterval: [30_000, 0], maxReconnectionRetries: [Infinity, 1], reconnectInterval: [1_000, 100], reconnectDecay: [1.5, 1], connectionTimeout: [5_000, 0] } as const
const FLAGS = ['reconnectOnClose', 'logs'] as const

type Numbers = Record<keyof typeof NUMBERS, number>

/** What becomes of `wsReconnect`. */
export type ReconnectingOptions = Pick<WebSocketOptions, 'reconnect' | 'pingInterval' | 'pongTimeout' | 'onSessionEnd'>

/**
 * `wsReconnect` as options of sessions; what has its own in `passthrough` comes from there.
 *
 * @throws {OptionsInvalidError} for what @fastify/http-proxy refuses, too, and for what it does not know.
 */
export function reconnectOptions (given: unknown, log: FastifyBaseLogger, where: string): ReconnectingOptions {
  if (!given) return {}
  const fail = (text: string): never => { throw new OptionsInvalidError(where, text) }
  if (typeof given !== 'object') return fail("option 'wsReconnect' must be an object")
  for (const name of Object.keys(given)) {
    if (!(name in NUMBERS) && !(FLAGS as readonly string[]).includes(name)) fail(`option 'wsReconnect.${name}': unknown option; known are ${[...Object.keys(NUMBERS), ...FLAGS].join(', ')}`)
  }
  const values = given as Partial<Numbers> & { reconnectOnClose?: unknown, logs?: unknown }
  for (const name of FLAGS) if (values[name] !== undefined && typeof values[name] !== 'boolean') fail(`option 'wsReconnect.${name}' must be true or false`)
  const { pingInterval, maxReconnectionRetries, reconnectInterval, reconnectDecay, connectionTimeout } = Object.fromEntries(Object.entries(NUMBERS).map(([name, [standard, least]]) => {
    const value = values[name as keyof Numbers] ?? standard
    if (typeof value !== 'number' || !(value >= least)) fail(`option 'wsReconnect.${name}' must be a number of at least ${least}`)
    return [name, value]
  })) as Numbers
  const lines = values.logs === true ? new ReconnectLines(log) : undefined
  return {
    // A target counts as broken if it has not responded to a ping by the time of the next one.
    ...pingInterval === 0 ? { pingInterval: false } : { pingInterval: milliseconds(pingInterval), pongTimeout: milliseconds(pingInterval) },
    reconnect: {
      attempts: Math.min(Math.floor(maxReconnectionRetries), MOST_ATTEMPTS),
      // The waits of @fastify/http-proxy, which grow by as much each time.
      delay: (attempt, session, reason) => {
        const milliseconds = reconnectInterval * (reconnectDecay * (attempt - 1) || 1)
        lines?.waiting(session, attempt, reason, milliseconds)
        return milliseconds
      },
      onReconnect: session => { lines?.reconnected(session) },
      maxDelay: MOST_MILLISECONDS,
      stableAfter: 0,
      jitter: 0,
      codes: values.reconnectOnClose === true ? 'all' : [],
      ...connectionTimeout > 0 && { timeout: milliseconds(connectionTimeout) }
    },
    ...lines !== undefined && { onSessionEnd: (session, end) => lines.ended(session, end) }
  }
}

function milliseconds (value: number): number {
  return Math.min(Math.max(Math.round(value), 1), MOST_MILLISECONDS)
}
