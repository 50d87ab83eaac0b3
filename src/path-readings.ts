import { PathInvalidError } from './errors.js'
import type { RouteMirror } from './route-mirror.js'

/** What may be read in more than one way. Most paths have nothing of it. */
const AMBIGUOUS = /[%\\;A-Z]|\/\//
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/
/** More ways than an honest path can be read in. */
const MOST_READINGS = 64

/** What targets do to a path before they look at it, each by itself. Together they come from applying all to all. */
const STEPS: Array<(path: string) => string> = [
  // Everything that is ASCII, once: an escape of an escape stays text. What would end a path stays escaped.
  path => decoded(path, /%(?!25|3f|23)[2-7][0-9a-f]/gi),
  // Servers that split the path into segments first.
  path => decoded(path, /%(?!25|3f|23|2f|5c|3b)[2-7][0-9a-f]/gi),
  path => path.replaceAll('\\', '/'),
  path => path.replace(/\/{2,}/g, '/'),
  // Parameters of segments (RFC 3986 §3.3), as Java's servers take them off.
  path => path.replace(/;[^/]*/g, ''),
  path => upTo(path, /;/),
  path => upTo(path, /%00/),
  path => path.replace(/%(?:0[0-9a-f]|1[0-9a-f]|7f)/gi, ''),
  path => upTo(path, /%3f|%23/i)
]

/**
 * Refuses a path that some target might read as one that the app has another route for, whose hooks the request
 * would have passed by.
 *
 * @param url The request's target, as it was sent.
 * @param matched The URL pattern of the route that the request has.
 * @throws {PathInvalidError} where a reading has another route, or dot segments.
 */
export function checkReadings (mirror: RouteMirror, method: string, url: string, matched: string): void {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  if (!AMBIGUOUS.test(path) && path.length <= mirror.maxParamLength && !mirror.hasCapitals) return
  const readings = new Set([path])
  // A Set gives also what is added meanwhile.
  for (const reading of readings) {
    for (const step of STEPS) readings.add(step(reading))
    if (readings.size > MOST_READINGS) throw new PathInvalidError('it can be read in too many ways')
  }
  for (const reading of readings) {
    if (DOT_SEGMENT.test(reading)) throw new PathInvalidError('it has dot segments')
    if (isElsewhere(mirror, method, reading, matched)) throw new PathInvalidError('it can be read as the path of another route')
  }
}

function isElsewhere (mirror: RouteMirror, method: string, reading: string, matched: string): boolean {
  const path = routable(reading)
  for (const name of method === 'HEAD' ? ['HEAD', 'GET'] : [method]) {
    for (const place of [mirror.find(name, path), mirror.findAnyCase(name, path)]) {
      if (place !== undefined && !place.urls.has(matched)) return true
    }
  }
  return false
}

function decoded (path: string, escapes: RegExp): string {
  return path.replace(escapes, escape => {
    const character = String.fromCharCode(parseInt(escape.slice(1), 16))
    // 7F is a control character.
    return character === '\x7f' ? escape : character
  })
}

function upTo (path: string, end: RegExp): string {
  const index = path.search(end)
  return index < 1 ? path : path.slice(0, index)
}

/**
 * A path as the router takes it: it refuses escapes that are no UTF-8, which stay as text then.
 */
export function routable (path: string): string {
  if (!path.includes('%')) return path
  try {
    decodeURI(path)
    return path
  } catch {
    return path.replace(/(?:%[89a-f][0-9a-f])+/gi, run => {
      try {
        decodeURI(run)
        return run
      } catch {
        return run.replaceAll('%', '%25')
      }
    })
  }
}
