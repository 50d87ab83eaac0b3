import { RE2JS } from 're2js'
import { PathTooLongError } from '../errors.js'
import type { RewritePattern } from '../options/index.js'

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
 * The engine of JavaScript backtracks: on a path made for it, a pattern such as `(a|a)*$` takes years (CWE-1333), and
 * no check of patterns finds them all. That of RE2 reads the path once and follows all ways at the same time, so its
 * time grows with the length of the path and with nothing else.
 *
 * @returns What takes the place of a path. It throws {PathTooLongError} for one that the pattern is not tried on.
 * @throws {Error} for a pattern that is not valid, or that has no such bound.
 */
export function rewriteByPattern ({ pattern, replacement }: RewritePattern): (path: string) => string {
  const compiled = compile(pattern)
  const size = compiled.programSize()
  if (size > MAX_SIZE) throw new Error(`'${pattern}' is too large with its counted repetitions. Use '*' or '+' in place of the longest, or a function.`)
  const longest = Math.floor(MAX_STEPS / size)
  return path => {
    if (path.length > longest) throw new PathTooLongError({ cause: new Error(`more than ${longest} characters, for the pattern '${pattern}'`) })
    return compiled.matcher(path).replaceFirst(replacement)
  }
}

/** Escapes that mean the same to both engines; back references are known to JavaScript alone, and classes such as \p{L} to RE2. */
const LETTERS = new Set('bBdDsSwWfnrtvcux')

function compile (pattern: string): RE2JS {
  // For a pattern that JavaScript does not know either, its own error message is the best.
  const { source } = new RegExp(pattern)
  for (const [escape] of source.matchAll(/\\./gs)) {
    if (/[A-Za-z1-9]/.test(escape) && !LETTERS.has(escape[1]!)) throw new Error(`'${pattern}' has ${escape}, which is not supported. Write it without, or use a function.`)
  }
  try {
    return RE2JS.compile(RE2JS.translateRegExp(source))
  } catch (cause) {
    const reason = (cause as Error).message.replace('error parsing regexp: ', '')
    throw new Error(`'${pattern}' has no bound on the time that it takes: ${reason}. Write it without lookarounds, back references and repetitions of more than 1000, or use a function.`, { cause })
  }
}
