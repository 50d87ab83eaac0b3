import type { FastifyRequest } from 'fastify'
import { OptionsInvalidError, RewriteInvalidError } from '../errors.js'
import type { HeaderFunction, HeaderRules, RewriteFunction, RewritePattern } from '../options/index.js'
import { requestTarget } from './request-target.js'
import { responseChange, type ResponseRewritingOptions, type Question } from './response-rewriting.js'
import { foldedName, headerValues, isHeaderValue, isToken, type HeaderList } from './headers.js'
import { checkPath, targetPath } from './path.js'
import { rewriteByPattern } from './rewrite-pattern.js'

/** What a route changes of what passes through it, on both legs. */
export interface Rewriting {
  /**
   * The path and query that the target is asked for.
   *
   * @throws {PathInvalidError} for a path that could leave the route.
   * @throws {PathTooLongError} for one that is longer than its pattern is tried on.
   */
  path (request: FastifyRequest): string
  /** The headers to the target, after the gateway's own rules. */
  requestHeaders (headers: HeaderList, request: FastifyRequest): HeaderList
  /** The headers to the client. */
  responseHeaders (headers: HeaderList, request: FastifyRequest, question: Question): HeaderList
}

export interface RewritingOptions extends ResponseRewritingOptions {
  rewrite?: RewritePattern | RewriteFunction | undefined
  headers?: HeaderRules | undefined
}

/** Headers that frame a message or belong to one hop; the gateway sets them. */
const NOT_REWRITTEN = new Set([
  'connection', 'content-length', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-key', 'sec-websocket-version'
])

/**
 * Prepares a route's rewriting.
 *
 * @param where The route, for the error.
 * @throws {OptionsInvalidError} for an invalid pattern, or a header that cannot be changed.
 */
export function rewritingOf ({ rewrite, headers, ...options }: RewritingOptions, where: string): Rewriting {
  const { stripPrefix } = options
  const rewritePath = pathFunction(rewrite, where)
  const rewriteResponse = responseChange(options)
  const changeResponse = headerChange(headers?.response, `${where}: option 'headers.response'`, name => name.toLowerCase())
  return {
    path: request => {
      const path = targetPath(requestTarget(request.raw), stripPrefix)
      return rewritePath === undefined ? path : checkPath(rewritePath(path, request))
    },
    requestHeaders: headerChange(headers?.request, `${where}: option 'headers.request'`, foldedName),
    responseHeaders: (headers, request, question) => changeResponse(rewriteResponse(headers, request, question), request)
  }
}

function pathFunction (rewrite: RewritePattern | RewriteFunction | undefined, where: string): RewriteFunction | undefined {
  if (rewrite === undefined || typeof rewrite === 'function') return rewrite
  let rewritten: (path: string) => string
  try {
    rewritten = rewriteByPattern(rewrite)
  } catch (cause) {
    throw new OptionsInvalidError(where, `option 'rewrite.pattern': ${(cause as Error).message}`, { cause: cause as Error })
  }
  return path => {
    const query = path.indexOf('?')
    return query === -1 ? rewritten(path) : rewritten(path.slice(0, query)) + path.slice(query)
  }
}

type HeaderChange = (headers: HeaderList, request: FastifyRequest) => HeaderList

/**
 * @param fold What makes two names one: in requests, the spellings that a target may not tell apart, lest a client's
 *   own stand beside what is set.
 */
function headerChange (rules: HeaderRules['request'], where: string, fold: (name: string) => string): HeaderChange {
  const entries = Object.entries(rules ?? {})
  if (entries.length === 0) return headers => headers
  const removed = new Set<string>()
  const byName = new Map<string, { name: string, value: string | null | HeaderFunction }>()
  for (const [name, value] of entries) {
    const lower = name.toLowerCase()
    if (!isToken(name)) throw new OptionsInvalidError(where, `'${name}' is no name of a header`)
    if (NOT_REWRITTEN.has(fold(name))) throw new OptionsInvalidError(where, `'${name}' belongs to the connection or to the handshake, and is the gateway's. Remove it.`)
    if (typeof value === 'string' && !isHeaderValue(value)) throw new OptionsInvalidError(where, `the value of '${name}' has characters that no header may have`)
    removed.add(fold(name))
    byName.set(lower, { name, value })
  }
  return (headers, request) => {
    const changed: HeaderList = []
    for (let index = 0; index < headers.length; index += 2) {
      if (!removed.has(fold(headers[index]!))) changed.push(headers[index]!, headers[index + 1]!)
    }
    for (const { name, value } of byName.values()) {
      const given = typeof value === 'function' ? value(present(headers, name.toLowerCase()), request) : value
      if (given === null || given === undefined) continue
      // What a function makes may come from the request, and must not become a header of its own.
      if (!isHeaderValue(given)) {
        throw new RewriteInvalidError({ cause: new TypeError(`${where}: the function for '${name}' gave a text with characters that no header may have`) })
      }
      changed.push(name, given)
    }
    return changed
  }
}

function present (headers: HeaderList, name: string): string | undefined {
  const values = headerValues(headers, name)
  return values.length === 0 ? undefined : values.join(', ')
}
