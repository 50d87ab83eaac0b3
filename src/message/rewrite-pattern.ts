import { PathTooLongError } from '../errors.js'
import type { RewritePattern } from '../options/index.js'
import { linearPattern } from './linear-pattern.js'

/**
 * How much work a pattern may be on one path: its size, which is about the number of its states, times the characters
 * of the path. About 50 ms.
 */
const MAX_STEPS = 2 ** 20
/** A larger pattern would leave less than 2,048 characters to a path. Only counted repetitions make one that large. */
const MAX_SIZE = 512

/**
 * Prepares a rewrite of paths by a pattern.
 *
 * @returns What takes the place of a path. It throws {PathTooLongError} for one that the pattern is not tried on.
 * @throws {Error} for a pattern that is not valid, or that has no bound on its time.
 */
export function rewriteByPattern ({ pattern, replacement }: RewritePattern): (path: string) => string {
  const compiled = linearPattern(pattern, '', ', or use a function')
  const size = compiled.programSize()
  if (size > MAX_SIZE) throw new Error(`'${pattern}' is too large with its counted repetitions. Use '*' or '+' in place of the longest, or a function.`)
  const longest = Math.floor(MAX_STEPS / size)
  return path => {
    if (path.length > longest) throw new PathTooLongError({ cause: new Error(`more than ${longest} characters, for the pattern '${pattern}'`) })
    return compiled.matcher(path).replaceFirst(replacement)
  }
}
