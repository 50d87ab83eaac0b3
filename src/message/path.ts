import { PathInvalidError } from '../errors.js'

/**
 * The path and query that a target is asked for: those of the request as they were sent, less `stripPrefix`.
 *
 * @param url The request's target, as in `request.raw.url`.
 * @throws {PathInvalidError} for a form that is no path, for fragments, and for dot segments, which could leave the route.
 */
export function targetPath (url: string, stripPrefix: string | undefined): string {
  checkPath(url)
  const end = pathEnd(url)
  if (stripPrefix === undefined || stripPrefix === '/') return url
  const rest = url.slice(prefixLength(url, end, stripPrefix))
  return rest.charCodeAt(0) === SLASH ? rest : `/${rest}`
}

/**
 * A path with its query that may be sent to a target.
 *
 * @throws {PathInvalidError} for a form that is no path, for fragments, and for dot segments.
 */
export function checkPath (url: string): string {
  // Only origin-form is sent on (RFC 9112 §3.2.1). Any other would let the client name the origin.
  if (url.charCodeAt(0) !== SLASH) throw new PathInvalidError('it must begin with a slash')
  // The router ends the path here, while a target may go on, and find dot segments behind it.
  if (url.includes('#')) throw new PathInvalidError('it has a fragment')
  if (hasDotSegment(url, pathEnd(url))) throw new PathInvalidError('it has dot segments')
  // Node lets no such character in, but a rewrite may make one.
  if (!/^[\x21-\x7e\x80-\xff]*$/.test(url)) throw new PathInvalidError('it has characters that no path may have')
  return url
}

const SLASH = 0x2f
const SEMICOLON = 0x3b
const DOT_OR_ESCAPE = /[.%\\]/

/** Where the path ends and the query begins. */
function pathEnd (url: string): number {
  const query = url.indexOf('?')
  return query === -1 ? url.length : query
}

/**
 * Whether some target might see a `.` or `..` segment. Targets differ in what they decode, so escapes
 * and backslashes count as what they may become; and some take parameters off a segment first (`..;a=b`).
 */
function hasDotSegment (url: string, end: number): boolean {
  if (!DOT_OR_ESCAPE.test(url)) return false
  const path = url.slice(0, end)
    .replace(/%2e/gi, '.')
    .replace(/%2f|%5c|\\/gi, '/')
    .replace(/%3b/gi, ';')
  return /\/\.{1,2}([/;]|$)/.test(path)
}

/**
 * How many characters of the raw path the router took for `prefix`: it matches decoded characters, so
 * `/%61pi` is `/api` to it.
 */
function prefixLength (url: string, end: number, prefix: string): number {
  const wanted = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  let index: number
  if (url.startsWith(wanted)) {
    index = wanted.length
  } else {
    index = 0
    let decoded = ''
    while (index < end && decoded.length < wanted.length) {
      const escape = /^(?:%[0-9a-f]{2})+/i.exec(url.slice(index, end))
      if (escape === null) {
        // A router that ignores duplicate slashes has; another would not have come here.
        if (url.charCodeAt(index) !== SLASH || !decoded.endsWith('/')) decoded += url[index]
        index++
      } else {
        const step = nextEscapedCharacter(escape[0])
        decoded += step.character
        index += step.length
      }
    }
    // A case-insensitive router has matched that way.
    if (decoded.toLowerCase() !== wanted.toLowerCase()) throw new PathInvalidError('it does not begin with the prefix of its route')
  }
  const next = url.charCodeAt(index)
  // A router can be configured to end the path at a semicolon.
  if (index < end && next !== SLASH && next !== SEMICOLON) throw new PathInvalidError('it does not begin with the prefix of its route')
  return index
}

function nextEscapedCharacter (escapes: string): { character: string, length: number } {
  // A character is one to four bytes in UTF-8.
  for (let length = 3; length <= Math.min(escapes.length, 12); length += 3) {
    try {
      return { character: decodeURIComponent(escapes.slice(0, length)), length }
    } catch {
      // Not a whole character yet.
    }
  }
  throw new PathInvalidError('it has a malformed escape')
}
