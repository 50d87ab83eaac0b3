import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { EndReason, MessageResult, SessionEnd, WebSocketMessage, WebSocketSession } from '../types.js'

/* What options are that code gives. */

/** Gives the date until which a session may last, such as the expiry of the token that opened it. */
export type UntilFunction = (request: FastifyRequest) => Date | null | undefined | Promise<Date | null | undefined>

/**
 * A target at a URL, and how it is met over TLS: the options `tls` of an upstream. They are written out, since the file of
 * their type needs this one; a test of types compares them.
 */
export interface UpstreamAtUrl {
  url: string
  tls?: {
    ca?: string | string[]
    cert?: string | string[]
    key?: string | string[]
    servername?: string
    minVersion?: 'TLSv1.2' | 'TLSv1.3'
    fingerprint?: string | string[]
    rejectUnauthorized?: boolean
  }
}
/** Chooses the upstream of a request: a declared name, or the URL of an origin, with or without TLS options. */
export type UpstreamFunction = (request: FastifyRequest) => string | UpstreamAtUrl | Promise<string | UpstreamAtUrl>

/** Returns the key by which a target is chosen; nothing for a request that has none. */
export type HashFunction = (request: FastifyRequest) => string | null | undefined

/** Returns the key of sessions whose messages are counted together; nothing for a session that counts alone. */
export type RateKeyFunction = (request: FastifyRequest) => string | null | undefined

/** Gives a header its value, from the one it has; nothing removes it. */
export type HeaderFunction = (value: string | undefined, request: FastifyRequest) => string | null | undefined
/** Gives all headers anew, from those that would go on. Names are in lower case; nothing in a value, or no such name, removes a header. */
export type HeadersFunction = (headers: Record<string, string | string[]>, request: FastifyRequest) => Record<string, string | number | readonly string[] | null | undefined>
/** Gives the path and query that a target is asked for, from those that it would be asked for. */
export type RewriteFunction = (path: string, request: FastifyRequest) => string

/** Hears that a session has opened. */
export type SessionFunction = (session: WebSocketSession) => void
/** Hears that a session has ended. */
export type SessionEndFunction = (session: WebSocketSession, end: SessionEnd) => void
/** Looks at a message of a session: see `messages`. */
export type MessageFunction = (message: WebSocketMessage, session: WebSocketSession) => MessageResult | Promise<MessageResult>
/** Hears of a Close frame that a side has sent: its code (1005 for none), its reason, the session, and which side. */
export type CloseFunction = (code: number, reason: string, session: WebSocketSession, from: 'client' | 'target') => void
/** Hears that a side has responded to a Ping of the gateway. */
export type PongFunction = (session: WebSocketSession, from: 'client' | 'target') => void
/**
 * Gives how long an attempt waits, by its number, which begins with 1, its session, and why that has lost its target: as the
 * reasons of endings say. Milliseconds.
 */
export type DelayFunction = (attempt: number, session: WebSocketSession, reason: EndReason) => number
/** Hears that another connection has taken the place of a target's that was lost, the first one for the attempt number 1. */
export type ReconnectFunction = (session: WebSocketSession, attempt: number) => void | Promise<void>
/** Says whether an upgrade request belongs to somebody else. */
export type IgnoreUpgradeFunction = (request: IncomingMessage) => boolean

/** A JSON Schema as an object. */
export type JsonSchema = Readonly<Record<string, unknown>>
