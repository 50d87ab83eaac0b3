/**
 * The ways in which a target may read a path that the router has read in one way. The table with what known servers
 * make of them is in docs/safety.md.
 */

/** What makes a path one that can be read in more than one way. An ordinary path is only looked at for these. */
const AMBIGUOUS = /[%\\;]|\/\//

/** No path that means well comes near these: how many readings, and how many characters, are looked at. */
const MOST_READINGS = 64
const MOST_CHARACTERS = 128 * 1024

/** Whether a path can be read in more than one way. */
export function isAmbiguous (path: string): boolean {
  return AMBIGUOUS.test(path)
}

/** Where the query begins, or the path ends. */
export function pathEnd (target: string): number {
  const query = target.indexOf('?')
  return query === -1 ? target.length : query
}

/** One step in which servers differ. Each gives the path as it is when it finds nothing to do. */
const STEPS: ReadonlyArray<(path: string) => string> = [
  // Escapes, but for those below, and for '%25', behind which a server that decodes twice would find more of them.
  path => path.replace(/%([0-9a-f]{2})/gi, (escape, digits: string) => {
    const code = Number.parseInt(digits, 16)
    return code < 0x21 || code > 0x7e || KEPT.has(code) ? escape : String.fromCharCode(code)
  }),
  path => path.replace(/%2f/gi, '/'),
  path => path.replace(/%5c/gi, '\\'),
  path => path.replaceAll('\\', '/'),
  path => path.replace(/%3b/gi, ';'),
  // Parameters of segments (RFC 3986 §3.3), and what some take for a query.
  path => path.replace(/;[^/]*/g, ''),
  path => path.replace(/;.*/s, ''),
  // What a server that decodes first takes for a query or a fragment.
  path => path.replace(/[?#].*|%(?:3f|23).*/is, ''),
  path => path.replace(/\/{2,}/g, '/'),
  // What new URL(path, base) takes for a host.
  path => path.replace(/^[\\/]{2,}[^\\/]*/, ''),
  // The end of a string in C, or nothing.
  path => path.replace(/%00.*/s, ''),
  path => path.replaceAll('%00', '')
]

/** %, /, ;, ?, # and the backslash have steps of their own. */
const KEPT = new Set([0x25, 0x2f, 0x3b, 0x3f, 0x23, 0x5c])

/**
 * All readings of a path, that as it is included; undefined where there are too many. Any steps may come together,
 * in any order.
 */
export function readingsOf (path: string): ReadonlySet<string> | undefined {
  const readings = new Set([path])
  if (!isAmbiguous(path)) return readings
  // What is added is met later in the same loop.
  for (const reading of readings) {
    for (const step of STEPS) readings.add(step(reading))
    if (readings.size > MOST_READINGS || readings.size * path.length > MOST_CHARACTERS) return undefined
  }
  return readings
}
