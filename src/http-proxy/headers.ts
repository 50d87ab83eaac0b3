import type { FastifyRequest } from 'fastify'
import type { HeaderFunction, HeaderRules, HeadersFunction } from '../options/index.js'
import type { ClientSide } from './client-options.js'
import type { Place } from './target.js'

/** Headers that a handshake has whatever `rewriteRequestHeaders` makes of the others. */
const OF_HANDSHAKE = /^(?:host|forwarded|via|x-request-id|(?:sec-websocket|x-forwarded)-.*)$/

/**
 * The headers of a handshake to the target: those of the client, with `wsClientOptions.headers` on top; or what
 * `rewriteRequestHeaders` makes of the latter, beside what the handshake and the gateway need.
 */
export function requestRules ({ headers, rewriteRequestHeaders }: ClientSide, placeOf: (request: FastifyRequest) => Place): NonNullable<HeaderRules['request']> {
  const authorize: HeaderFunction = (value, request) => placeOf(request).authorization ?? value
  const isAuthorized = Object.keys(headers).some(name => name.toLowerCase() === 'authorization')
  if (rewriteRequestHeaders === undefined) return { ...headers, ...!isAuthorized && { Authorization: authorize } }
  const rewrite: HeadersFunction = (received, request) => {
    const own = Object.entries(received).filter(([name]) => OF_HANDSHAKE.test(name))
    const made = rewriteRequestHeaders({ ...headers }, request)
    const named = new Set(Object.keys(made).map(name => name.toLowerCase()))
    const { authorization } = placeOf(request)
    return {
      ...Object.fromEntries(own.filter(([name]) => !named.has(name))),
      ...authorization !== undefined && !named.has('authorization') && { Authorization: authorization },
      ...made
    }
  }
  return rewrite
}

const EXTERNAL = /^https?:\/\//

/** A redirect to a path of the target, in its refusal, becomes one to a path of the client's, as in a response to a request. */
export function locationRule (prefix: string, rewritePrefix: string): HeaderFunction {
  return location => location === undefined || EXTERNAL.test(location) ? location : location.replace(rewritePrefix, prefix)
}
