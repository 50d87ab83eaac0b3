import { setImmediate } from 'node:timers/promises'
import { Type, type Static } from '@sinclair/typebox'
import { redactedProtocol } from '../observers/redaction.js'
import type { WebSocketSession } from '../types.js'
import type { SessionRates } from './session-rates.js'

/** Which sessions are meant; all where nothing is given. */
export const SessionFilter = Type.Object({
  text: Type.Optional(Type.String({ maxLength: 200, description: 'Part of the id, the route, the upstream, the target, the address of the client or the subprotocol, in any case.' })),
  route: Type.Optional(Type.String({ description: 'The URL pattern of the route.' })),
  upstream: Type.Optional(Type.String({ description: 'The name of the upstream.' })),
  target: Type.Optional(Type.String({ description: 'The URL of the target.' })),
  client: Type.Optional(Type.String({ description: 'The address of the client.' }))
}, { additionalProperties: false })
export type SessionFilter = Static<typeof SessionFilter>

export const SessionOrder = Type.Union([
  Type.Literal('age'), Type.Literal('rate'), Type.Literal('messages'), Type.Literal('route'), Type.Literal('client')
], { default: 'age', description: 'By what the sessions are sorted.' })
export type SessionOrder = Static<typeof SessionOrder>

/** A session, as an operator sees it. */
export const SessionRow = Type.Object({
  id: Type.String(),
  route: Type.String({ description: 'The URL pattern of its route.' }),
  upstream: Type.String(),
  target: Type.String({ description: 'The URL of its target.' }),
  client: Type.String({ description: "The address of the client: Fastify's request.ip." }),
  subprotocol: Type.Union([Type.String(), Type.Null()]),
  openedAt: Type.Integer({ description: 'Milliseconds since 1970.' }),
  messagesFromClient: Type.Integer(),
  messagesFromTarget: Type.Integer(),
  bytesFromClient: Type.Integer({ description: 'Bytes on the wire.' }),
  bytesFromTarget: Type.Integer({ description: 'Bytes on the wire.' }),
  rateFromClient: Type.Number({ description: 'Bytes a second, in the last second or two.' }),
  rateFromTarget: Type.Number({ description: 'Bytes a second, in the last second or two.' }),
  reconnects: Type.Integer({ description: 'How often another target has taken the place of one, or the same one again.' })
})
export type SessionRow = Static<typeof SessionRow>

/** A part of all sessions that match, sorted. */
export interface SessionView {
  filter: SessionFilter
  sort: SessionOrder
  descending: boolean
  offset: number
  limit: number
}

/** How many sessions are looked through before others get their turn. */
const SLICE = 2_000

/** What a session is found by, in small letters; made once for each, and for each of its targets. */
const texts = new WeakMap<WebSocketSession, { text: string, reconnects: number }>()

function textOf (session: WebSocketSession): string {
  let known = texts.get(session)
  if (known?.reconnects !== session.reconnects) {
    const { id, route, upstream, target, subprotocol, reconnects, request: { ip } } = session
    const text = [id, route, upstream, target, ip, redactedProtocol(subprotocol) ?? ''].join('\n').toLowerCase()
    texts.set(session, known = { text, reconnects })
  }
  return known!.text
}

/** Says of a session whether a filter means it. */
export function matches ({ text, route, upstream, target, client }: SessionFilter): (session: WebSocketSession) => boolean {
  const wanted = text?.toLowerCase()
  return session =>
    (route === undefined || session.route === route) &&
    (upstream === undefined || session.upstream === upstream) &&
    (target === undefined || session.target === target) &&
    (client === undefined || session.request.ip === client) &&
    (wanted === undefined || textOf(session).includes(wanted))
}

/** Looks through sessions, a slice at a time. */
export async function listSessions (sessions: readonly WebSocketSession[], rates: SessionRates, { filter, sort, descending, offset, limit }: SessionView): Promise<{ matching: number, sessions: SessionRow[] }> {
  const isMeant = matches(filter)
  const keyOf = KEYS[sort]
  const found: Array<{ session: WebSocketSession, key: string | number }> = []
  for (let index = 0; index < sessions.length; index += SLICE) {
    if (index > 0) await setImmediate()
    for (const session of sessions.slice(index, index + SLICE)) if (isMeant(session)) found.push({ session, key: keyOf(session, rates) })
  }
  // They come as they opened.
  if (sort !== 'age') found.sort(byKey)
  if (descending) found.reverse()
  return { matching: found.length, sessions: found.slice(offset, offset + limit).map(({ session }) => rowOf(session, rates)) }
}

const KEYS: { readonly [Order in SessionOrder]: (session: WebSocketSession, rates: SessionRates) => string | number } = {
  age: () => 0,
  rate: (session, rates) => {
    const { rateFromClient, rateFromTarget } = rates.of(session)
    return rateFromClient + rateFromTarget
  },
  messages: ({ fromClient, fromTarget }) => fromClient.messages + fromTarget.messages,
  route: ({ route }) => route,
  client: ({ request: { ip } }) => ip
}

/** The order of rows from several processes, as `listSessions` has it within one. */
export function byOrder (sort: SessionOrder, descending: boolean): (one: SessionRow, other: SessionRow) => number {
  const keyOf = ROW_KEYS[sort]
  return (one, other) => byKey({ key: keyOf(one) }, { key: keyOf(other) }) * (descending ? -1 : 1)
}

const ROW_KEYS: { readonly [Order in SessionOrder]: (row: SessionRow) => string | number } = {
  age: ({ openedAt }) => openedAt,
  rate: ({ rateFromClient, rateFromTarget }) => rateFromClient + rateFromTarget,
  messages: ({ messagesFromClient, messagesFromTarget }) => messagesFromClient + messagesFromTarget,
  route: ({ route }) => route,
  client: ({ client }) => client
}

function byKey ({ key: one }: { key: string | number }, { key: other }: { key: string | number }): number {
  return one < other ? -1 : one > other ? 1 : 0
}

export function rowOf (session: WebSocketSession, rates: SessionRates): SessionRow {
  const { id, route, upstream, target, subprotocol, openedAt, request, fromClient, fromTarget, reconnects } = session
  return {
    id,
    route,
    upstream,
    target,
    client: request.ip,
    subprotocol: redactedProtocol(subprotocol) ?? null,
    openedAt: openedAt.getTime(),
    messagesFromClient: fromClient.messages,
    messagesFromTarget: fromTarget.messages,
    bytesFromClient: fromClient.bytes,
    bytesFromTarget: fromTarget.bytes,
    reconnects,
    ...rates.of(session)
  }
}
