import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { SessionEnd, WebSocketSession } from '../types.js'

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
/** Says whether an upgrade request belongs to somebody else. */
export type IgnoreUpgradeFunction = (request: IncomingMessage) => boolean
