import type { FastifyRequest } from 'fastify'
import { OptionsInvalidError, RewriteInvalidError } from '../errors.js'
import type { HeaderFunction, HeaderRules, HeadersFunction, RewriteFunction, RewritePattern } from '../options/index.js'
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
  if (typeof rules === 'function') return wholeChange(rules, where, fold)
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

/** What a function makes of all headers. One that it leaves as it was keeps its place, its case and its lines. */
function wholeChange (change: HeadersFunction, where: string, fold: (name: string) => string): HeaderChange {
  return (headers, request) => {
    const given = Object.create(null) as Record<string, string | string[]>
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!.toLowerCase()
      if (NOT_REWRITTEN.has(fold(name))) continue
      const known = given[name]
      given[name] = known === undefined ? headers[index + 1]! : [...[known].flat(), headers[index + 1]!]
    }
    const wanted = linesByName(change({ ...given }, request), where, fold)
    // No request may lack it (RFC 9112 §3.2).
    if (given.host !== undefined && !wanted.has('host')) wanted.set('host', { name: 'Host', lines: [given.host].flat() })
    const unchanged = new Set([...wanted.keys()].filter(name => given[name] !== undefined && String([given[name]].flat()) === String(wanted.get(name)!.lines)))
    const changed: HeaderList = []
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!.toLowerCase()
      if (NOT_REWRITTEN.has(fold(name)) || unchanged.has(name)) changed.push(headers[index]!, headers[index + 1]!)
    }
    for (const [lower, { name, lines }] of wanted) {
      if (!unchanged.has(lower)) for (const line of lines) changed.push(name, line)
    }
    return changed
  }
}

/** What a function has made, by the names of the headers in lower case, without those that are the gateway's. */
function linesByName (made: unknown, where: string, fold: (name: string) => string): Map<string, { name: string, lines: string[] }> {
  const fail = (text: string): never => { throw new RewriteInvalidError({ cause: new TypeError(`${where}: the function ${text}`) }) }
  if (typeof made !== 'object' || made === null) return fail('must give an object of headers by name')
  const wanted = new Map<string, { name: string, lines: string[] }>()
  for (const [name, value] of Object.entries(made as Record<string, unknown>)) {
    if (value === null || value === undefined || NOT_REWRITTEN.has(fold(name))) continue
    const lines = [value].flat().map(String)
    if (!isToken(name) || !lines.every(isHeaderValue)) fail(`gave '${name}' a name or a value that no header may have`)
    wanted.set(name.toLowerCase(), { name, lines })
  }
  return wanted
}

function present (headers: HeaderList, name: string): string | undefined {
  const values = headerValues(headers, name)
  return values.length === 0 ? undefined : values.join(', ')
}
