import { RE2JS } from 're2js'

/*
 * Regular expressions of users that are matched with what clients send.
 *
 * The engine of JavaScript backtracks: on a text made for it, a pattern such as `(a|a)*$` takes years (CWE-1333), and
 * no check of patterns finds them all. That of RE2 reads the text once and follows all ways at the same time, so its
 * time grows with the length of the text and with nothing else.
 */

/** Escapes that mean the same to both engines; back references are known to JavaScript alone. */
const LETTERS = new Set('bBdDsSwWfnrtvcux')
/** Classes such as \p{L}. Without the flag u, JavaScript takes \p for the letter. */
const UNICODE_LETTERS = new Set([...LETTERS, 'p', 'P'])

/** What \s stands for in JavaScript, and what \S does; RE2 knows the ASCII ones. */
const SPACES = '\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff'
const NO_SPACES = '\0-\x08\x0e-\x1f!-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\u{10ffff}'

/**
 * Compiles a pattern in the syntax of JavaScript for the engine of RE2.
 *
 * @param flags 'u' for a pattern of which characters are code points, as those of JSON Schema.
 * @param instead What else can be used, for the error: ', or use a function'.
 * @throws {Error} for a pattern that is not valid, or that has no bound on its time.
 */
export function linearPattern (pattern: string, flags: '' | 'u', instead: string): RE2JS {
  // For a pattern that JavaScript does not know either, its own error message is the best.
  const { source } = new RegExp(pattern, flags)
  const letters = flags === 'u' ? UNICODE_LETTERS : LETTERS
  for (const [escape] of source.matchAll(/\\./gs)) {
    if (/[A-Za-z1-9]/.test(escape) && !letters.has(escape[1]!)) throw new Error(`'${pattern}' has ${escape}, which is not supported. Write it without${instead}.`)
  }
  try {
    return RE2JS.compile(RE2JS.translateRegExp(explicit(source)))
  } catch (cause) {
    const reason = (cause as Error).message.replace('error parsing regexp: ', '')
    throw new Error(`'${pattern}' has no bound on the time that it takes: ${reason}. Write it without lookarounds, back references and repetitions of more than 1000${instead}.`, { cause })
  }
}

/** The same pattern, with that written out which RE2 reads in another way. */
function explicit (source: string): string {
  let inClass = false
  return source.replace(/\\.|[[\].]/gs, part => {
    switch (part) {
      case '\\s': return inClass ? SPACES : `[${SPACES}]`
      case '\\S': return inClass ? NO_SPACES : `[^${SPACES}]`
      case '.': return inClass ? part : '[^\n\r\u2028\u2029]'
      case '[':
        // To RE2, [[:alpha:]] is a class of a name.
        if (inClass) return '\\['
        inClass = true
        return part
      case ']':
        inClass = false
        return part
      default: return part
    }
  })
}
