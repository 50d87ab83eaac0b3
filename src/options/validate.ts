import { KindGuard, type Static, type TSchema } from '@sinclair/typebox'
import { Value, type ValueError } from '@sinclair/typebox/value'
import { OptionsInvalidError } from '../errors.js'
import { nearest } from './did-you-mean.js'

/** One thing wrong with a value: where it is, and what would be right. */
export interface Problem {
  /** The keys that lead to it from the value's root. */
  path: string[]
  /** What is wrong and what would be right, without the path. */
  message: string
  /** Set when not the value is wrong but its name: there is no such option. */
  unknownName?: true
}

/** Everything wrong with `value` according to `schema`, at most one problem a place. */
export function problems (schema: TSchema, value: unknown): Problem[] {
  const found: Problem[] = []
  const seen = new Set<string>()
  for (const error of [...Value.Errors(schema, value)].flatMap(inNearestBranch)) {
    const { path, schema: expected, value: actual, message } = error
    // TypeBox reports a missing property twice: as missing, and as of the wrong type.
    if (seen.has(path)) continue
    seen.add(path)
    const at = keys(path)
    found.push(message === 'Unexpected property'
      ? { path: at, message: unknownOption(at.at(-1)!, expected), unknownName: true }
      : { path: at, message: explain(message, expected, actual) })
  }
  return found
}

/**
 * `value` itself, once it is known to match `schema`.
 *
 * @throws {OptionsInvalidError} naming `where`, the option and the fix.
 */
export function validated<Schema extends TSchema> (schema: Schema, value: unknown, where: string): Static<Schema> {
  if (Value.Check(schema, value)) return value as Static<Schema>
  const list = problems(schema, value).map(({ path, message }) =>
    path.length === 0 ? message : `option '${path.join('.')}': ${message}`)
  throw new OptionsInvalidError(where, list.join('; '))
}

/** A union fails as a whole; what helps are the errors inside the branch that the value came nearest to. */
function inNearestBranch (error: ValueError): ValueError[] {
  let best = [error]
  let least = nearness(error)
  for (const branch of error.errors) {
    const inner = [...branch].flatMap(inNearestBranch)
    const near = Math.max(...inner.map(nearness))
    if (near > least) {
      best = inner
      least = near
    }
  }
  return best
}

/** The deeper inside a value an error lies, the nearer the value came; at one place a wrong type is the farthest. */
function nearness ({ path, message }: ValueError): number {
  return path.length + (/^Expected \w+ (to|length) /.test(message) ? 0.5 : 0)
}

/** The keys of a JSON pointer (RFC 6901). */
function keys (pointer: string): string[] {
  return pointer.split('/').slice(1).map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function explain (message: string, expected: TSchema, actual: unknown): string {
  const got = actual === undefined ? 'it is missing' : `it is ${show(actual)}`
  const hint = expected.description === undefined ? '' : ` (${expected.description})`
  return `must be ${expectation(message, expected)}, ${got}${hint}`
}

function unknownOption (name: string, schema: TSchema): string {
  const known = Object.keys(schema.properties as Record<string, TSchema> | undefined ?? {})
  const suggestion = nearest(name, known)
  if (suggestion !== undefined) return `there is no such option; did you mean '${suggestion}'?`
  return `there is no such option${known.length === 0 ? '' : `; known are ${known.join(', ')}`}`
}

/** TypeBox says 'Expected integer to be greater or equal to 1'; we say 'must be an integer of at least 1'. */
function expectation (message: string, expected: TSchema): string {
  if (message === 'Expected required property' || message === 'Expected union value') return kind(expected)
  return message
    .replace(/^Expected (integer|object|array)/, 'an $1')
    .replace(/^Expected (string|boolean|function)/, 'a $1')
    .replace(/^Expected /, '')
    .replace(/ to match /, ' matching ')
    .replace(/ length (to be )?greater or equal to /, ' with a length of at least ')
    .replace(/ to be greater or equal to /, ' of at least ')
    .replace(/ to be less or equal to /, ' of at most ')
}

function kind (schema: TSchema): string {
  if (KindGuard.IsLiteral(schema)) return JSON.stringify(schema.const)
  if (!KindGuard.IsUnion(schema)) {
    const type = String(schema.type).toLowerCase()
    return `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`
  }
  if (schema.anyOf.every(branch => KindGuard.IsLiteral(branch))) {
    return `one of ${schema.anyOf.map(branch => String(branch.const)).join(', ')}`
  }
  return [...new Set(schema.anyOf.map(kind))].join(' or ')
}

function show (value: unknown): string {
  if (typeof value === 'function') return 'a function'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
