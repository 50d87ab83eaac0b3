import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { SessionEnd, WebSocketSession } from '../types.js'

/* What options are that code gives. */

/** Gives the date until which a session may last, such as the expiry of the token that opened it. */
export type UntilFunction = (request: FastifyRequest) => Date | null | undefined | Promise<Date | null | undefined>

/** Chooses the upstream of a request: a declared name, or the URL of an origin. */
export type UpstreamFunction = (request: FastifyRequest) => string | Promise<string>

/** Returns the key by which a target is chosen; nothing for a request that has none. */
export type HashFunction = (request: FastifyRequest) => string | null | undefined

/** Returns the key of sessions whose messages are counted together; nothing for a session that counts alone. */
export type RateKeyFunction = (request: FastifyRequest) => string | null | undefined

/** Gives a header its value, from the one it has; nothing removes it. */
export type HeaderFunction = (value: string | undefined, request: FastifyRequest) => string | null | undefined
/** Gives the path and query that a target is asked for, from those that it would be asked for. */
export type RewriteFunction = (path: string, request: FastifyRequest) => string

/** Hears that a session has opened. */
export type SessionFunction = (session: WebSocketSession) => void
/** Hears that a session has ended. */
export type SessionEndFunction = (session: WebSocketSession, end: SessionEnd) => void
/** Says whether an upgrade request belongs to somebody else. */
export type IgnoreUpgradeFunction = (request: IncomingMessage) => boolean
