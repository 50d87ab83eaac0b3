/*
 * The URL patterns of routes, in the syntax of find-my-way: a parameter may have a regular expression in parentheses, and
 * where a segment has more than one, or text behind it, the router makes an expression of it.
 */

const SLASH = 0x2f
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN = 0x28
const CLOSE = 0x29

/** Whether the router matches a segment of a pattern by an expression. */
export function hasExpression (pattern: string): boolean {
  return segmentsOf(pattern).some(segment => {
    const at = parameterIn(segment)
    return at !== -1 && /[-.(:]/.test(segment.slice(at + 1))
  })
}

/** A pattern that matches all that another one does, and more: of each segment with parameters, only the text before them counts. */
export function withoutExpressions (pattern: string): string {
  return segmentsOf(pattern).map((segment, index) => {
    const at = parameterIn(segment)
    return at === -1 ? segment : `${segment.slice(0, at)}:p${index}${segment.endsWith('?') ? '?' : ''}`
  }).join('/')
}

/** What stands between the slashes of a pattern. Expressions may have slashes, too. */
function segmentsOf (pattern: string): string[] {
  const segments: string[] = []
  let start = 0
  let depth = 0
  for (let index = 0; index < pattern.length; index++) {
    const code = pattern.charCodeAt(index)
    if (code === BACKSLASH && depth > 0) index++
    else if (code === OPEN) depth++
    else if (code === CLOSE) depth--
    else if (code === SLASH && depth === 0) {
      segments.push(pattern.slice(start, index))
      start = index + 1
    }
  }
  segments.push(pattern.slice(start))
  return segments
}

/** Where the first parameter of a segment begins; -1 for none. Two colons stand for one. */
function parameterIn (segment: string): number {
  for (let index = 0; index < segment.length; index++) {
    if (segment.charCodeAt(index) !== COLON) continue
    if (segment.charCodeAt(index + 1) !== COLON) return index
    index++
  }
  return -1
}
