import { stringify } from 'node:querystring'
import type { FastifyRequest } from 'fastify'
import { PathInvalidError } from '../errors.js'
import { pathEnd } from '../message/path-readings.js'
import { parseTarget } from '../net/target-address.js'
import type { RewriteFunction } from '../options/index.js'
import { basicAuthorization } from './client-options.js'
import type { FromParameters, OriginalOptions, QueryString } from './types.js'

/** Where handshakes go. */
export interface Place {
  /** Scheme, host and port, or `unix:` and a path. The path of a URL does not count: `rewritePrefix` says it. */
  url: string
  /** What the credentials in the URL become. */
  authorization: string | undefined
}

const URL_OF_HTTP = /^(?:http|ws)(s?):\/\/(?:([^/?#]*)@)?([^/?#]*)/i
const URL_OF_SOCKET = /^unix\+http:\/\/([^/?#]+)/i

/**
 * Reads what `upstream` or `wsUpstream` is, or `getUpstream` gives.
 *
 * @throws {TargetMalformedError} for anything else than the URL of a target.
 */
export function placeOf (upstream: string): Place {
  const socketPath = URL_OF_SOCKET.exec(upstream)?.[1]
  if (socketPath !== undefined) return { url: parseTarget(`unix:${decodeURIComponent(socketPath)}`).url, authorization: undefined }
  const [, secure, credentials, host] = URL_OF_HTTP.exec(upstream) ?? []
  if (host === undefined) return { url: parseTarget(upstream).url, authorization: undefined }
  return {
    url: parseTarget(`http${secure!.toLowerCase()}://${host}`).url,
    authorization: credentials === undefined ? undefined : basicAuthorization(decodeURIComponent(credentials))
  }
}

/** What a path is rewritten with. */
export interface Paths {
  /** That of the scope. */
  prefix: string
  rewritePrefix: string
  queryString: QueryString | undefined
  /** That of @fastify/http-proxy, once there is a reply to take it from. */
  fromParameters (): FromParameters
}

/** What takes the place of the prefix, as @fastify/http-proxy has it: without the slash that the prefix lacks. */
export function rewritePrefixOf (prefix: string, { rewritePrefix, upstream }: OriginalOptions): string {
  const given = rewritePrefix || (upstream ? new URL(upstream).pathname : '/')
  return !prefix.endsWith('/') && given.endsWith('/') ? given.slice(0, -1) : given
}

/**
 * The path and query of a handshake for the target: the path is what `reply.fromParameters()` makes of it, which is what
 * @fastify/http-proxy asks for in a request, and the query the client's or that of `queryString`.
 */
export function rewriteOf ({ prefix, rewritePrefix, queryString, fromParameters }: Paths): RewriteFunction {
  return (url, request) => {
    const params = request.params as Record<string, string>
    const { pathname } = withinPrefix(rewritten(() => fromParameters()(url, params, prefix).url), withVariables(rewritePrefix, prefix, params))
    return pathname + queryOf(url.slice(pathEnd(url)), queryString, request)
  }
}

/** An escape that is not UTF-8 is the client's fault. */
function rewritten (rewrite: () => string): string {
  try {
    return rewrite()
  } catch (error) {
    if (error instanceof URIError) throw new PathInvalidError('it has a malformed escape')
    throw error
  }
}

/** `rewritePrefix` with the parameters of the prefix, as @fastify/http-proxy puts them in. */
function withVariables (rewritePrefix: string, prefix: string, params: Record<string, string>): string {
  if (!prefix.includes(':')) return rewritePrefix
  return Object.entries(params).reduce((result, [name, value]) => result.replace(`:${name}`, value), rewritePrefix)
}

/** Only the path counts. */
const ANY_ORIGIN = 'http://target.invalid'

/**
 * Keeps a path that `preRewrite` has made below the prefix for the target, as @fastify/http-proxy does.
 *
 * @throws {PathInvalidError}
 */
function withinPrefix (path: string, rewritePrefix: string): URL {
  const target = new URL(path.slice(0, pathEnd(path)), ANY_ORIGIN)
  const { pathname } = new URL(rewritePrefix, ANY_ORIGIN)
  const isWithin = target.pathname === pathname || target.pathname.startsWith(pathname.endsWith('/') ? pathname : `${pathname}/`)
  if (!isWithin || target.origin !== ANY_ORIGIN) throw new PathInvalidError('it leads out of the prefix of its route')
  return target
}

/** The query with its question mark, or nothing. */
function queryOf (search: string, queryString: QueryString | undefined, request: FastifyRequest): string {
  if (queryString === undefined) return search
  const url = new URL(ANY_ORIGIN)
  // What is not allowed in a query is escaped.
  url.search = typeof queryString === 'function' ? queryString(search, request.url, request) : stringify(queryString)
  return url.search
}
