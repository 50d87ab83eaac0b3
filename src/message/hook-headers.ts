import type { FastifyRequest } from 'fastify'
import { RewriteInvalidError } from '../errors.js'
import { foldedName, headerValues, isHeaderValue, isToken, type HeaderList } from './headers.js'

/** What hooks find in `request.headers`, and may leave there. */
type Headers = Record<string, unknown>

/**
 * Headers that frame a message, or make a handshake what it is. The gateway has read them as they came, and what a
 * hook makes of them changes nothing.
 */
const AS_RECEIVED = new Set([
  'connection', 'content-length', 'expect', 'http2-settings', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-key', 'sec-websocket-version'
])

/**
 * The headers of a request as its hooks have left them in `request.headers`: those that are unchanged in the order,
 * case and repetition in which they came.
 *
 * @throws {RewriteInvalidError} for a name or a value that no header may have.
 */
export function hookHeaders (request: FastifyRequest): HeaderList {
  const { rawHeaders } = request.raw
  const headers = request.headers as Headers
  return isUnchanged(headers, rawHeaders) ? rawHeaders : changedHeaders(headers, rawHeaders)
}

/**
 * Whether every header is where Node has put it. Node makes `headers` in the order of `rawHeaders`, so that no header
 * must be looked up. Where it has joined several lines, this finds out nothing. It runs for every request.
 */
function isUnchanged (headers: Headers, rawHeaders: HeaderList): boolean {
  let index = 0
  for (const name in headers) {
    if (headers[name] !== rawHeaders[index + 1] || !isNameOf(name, rawHeaders[index]!)) return false
    index += 2
  }
  return index === rawHeaders.length
}

/** Whether two names are the same but for the case of the second; without a copy of it. */
function isNameOf (lower: string, name: string): boolean {
  if (lower.length !== name.length) return false
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if (lower.charCodeAt(index) !== (code >= 0x41 && code <= 0x5a ? code | 0x20 : code)) return false
  }
  return true
}

function changedHeaders (headers: Headers, rawHeaders: HeaderList): HeaderList {
  const present = byName(headers)
  /** What has been set, by its name in lower case. */
  const set = new Map<string, { name: string, values: string[] }>()
  /** What has been set or deleted, in the spellings that a target may not tell apart. */
  const folded = new Set<string>()
  const received = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) received.add(rawHeaders[index]!.toLowerCase())
  for (const lower of received) {
    if (AS_RECEIVED.has(lower)) continue
    const given = present.get(lower)
    if (given !== undefined && isAsReceived(lower, given.value, headerValues(rawHeaders, lower))) {
      present.delete(lower)
    } else if (given !== undefined || lower !== '__proto__') {
      // That one is no header of an object; all the others have been set anew, or deleted.
      folded.add(foldedName(lower))
    }
  }
  for (const [lower, { name, value }] of present) {
    if (AS_RECEIVED.has(lower)) continue
    folded.add(foldedName(lower))
    set.set(lower, { name, values: valuesOf(name, value) })
  }
  const changed: HeaderList = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    const lower = name.toLowerCase()
    const now = set.get(lower)
    if (now !== undefined) {
      // In the place of the first of its lines.
      for (const value of now.values) changed.push(name, value)
      set.delete(lower)
    } else if (lower === 'connection') {
      changed.push(name, withoutNominations(rawHeaders[index + 1]!, folded))
    } else if (!folded.has(foldedName(lower))) {
      changed.push(name, rawHeaders[index + 1]!)
    }
  }
  for (const { name, values } of set.values()) for (const value of values) changed.push(name, value)
  return changed
}

/** The headers that there are, by their names in lower case. A hook that writes a name in capitals means the same header. */
function byName (headers: Headers): Map<string, { name: string, value: unknown }> {
  const present = new Map<string, { name: string, value: unknown }>()
  for (const name in headers) {
    const value = headers[name]
    const lower = name.toLowerCase()
    if (value === undefined || value === null) present.delete(lower)
    // One in capitals can only come from a hook.
    else if (name !== lower || !present.has(lower)) present.set(lower, { name, value })
  }
  return present
}

/** Whether a value is what Node has made of the lines of a header (the docs of `message.headers`). */
function isAsReceived (name: string, value: unknown, lines: string[]): boolean {
  if (lines.length === 1 && value === lines[0]) return true
  if (Array.isArray(value)) return value.length === lines.length && lines.every((line, index) => line === value[index])
  return value === lines.join(name === 'cookie' ? '; ' : ', ') || (FIRST_COUNTS.has(name) && value === lines[0])
}

/** Of several lines of these, Node keeps the first, unless its option `joinDuplicateHeaders` is set. */
const FIRST_COUNTS = new Set([
  'age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since', 'if-unmodified-since',
  'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'server', 'user-agent'
])

/** The lines that a hook's value becomes: as many as an array has items. */
function valuesOf (name: string, value: unknown): string[] {
  const values = (Array.isArray(value) ? value : [value]).map(item => typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean' ? String(item) : undefined)
  // It may come from the request, and must not become a header of its own.
  if (!isToken(name) || values.some(item => item === undefined || !isHeaderValue(item))) {
    throw new RewriteInvalidError({ cause: new TypeError(`a hook has set the header '${name}' to something that no header may hold`) })
  }
  return values as string[]
}

/** The value of Connection without the headers that a hook has set: a client cannot have these removed (RFC 9110 §7.6.1). */
function withoutNominations (value: string, folded: ReadonlySet<string>): string {
  return value.split(',').filter(item => !folded.has(foldedName(item.trim()))).join(',')
}
