import { KindGuard, type Static, type TSchema } from '@sinclair/typebox'
import { ValueErrorType as Fault, type ValueError } from '@sinclair/typebox/errors'
import { Value } from '@sinclair/typebox/value'
import { OptionsInvalidError } from '../errors.js'
import { isMapping, pointerNames } from './mapping.js'
import { SECRET_OPTIONS } from './secrets.js'
import { correction } from './unknown-names.js'

/** One thing wrong with a value: where it is, and what would be right. */
export interface Problem {
  /** The keys that lead to it from the value's root. */
  path: string[]
  /** What is wrong and what would be right, without the path. */
  message: string
  /** Set when not the value is wrong but its name: there is no such option. */
  unknownName?: true
}

/**
 * Everything wrong with `value` according to `schema`, at most one problem a place.
 *
 * @param others Names that may have been meant, too, beside those of the schema.
 */
export function problems (schema: TSchema, value: unknown, others: readonly string[] = []): Problem[] {
  const found: Problem[] = []
  const seen = new Set<string>()
  for (const error of [...Value.Errors(schema, value)].flatMap(inNearestBranch)) {
    const { path, type, schema: expected, value: actual } = error
    // TypeBox reports a missing property twice: as missing, and as of the wrong type.
    if (seen.has(path)) continue
    seen.add(path)
    const at = pointerNames(path)
    found.push(type === Fault.ObjectAdditionalProperties
      ? { path: at, message: unknownOption(at.at(-1)!, expected, expected === schema ? others : []), unknownName: true }
      : { path: at, message: explain(type, expected, actual, at.some(key => SECRET_OPTIONS.has(key))) })
  }
  return found
}

/**
 * `value` itself, once it is known to match `schema`.
 *
 * @param others Names that may have been meant, too, beside those of the schema.
 * @throws {OptionsInvalidError} naming `where`, the option and the fix.
 */
export function validated<Schema extends TSchema> (schema: Schema, value: unknown, where: string, others?: readonly string[]): Static<Schema> {
  if (Value.Check(schema, value)) return value as Static<Schema>
  const list = problems(schema, value, others).map(({ path, message }) =>
    path.length === 0 ? message : `option '${path.join('.')}': ${message}`)
  throw new OptionsInvalidError(where, list.join('; '))
}

/**
 * @param example Right options, for whoever gave something else than an object.
 * @throws {OptionsInvalidError}
 */
export function checkObject (options: unknown, where: string, example: string): void {
  if (isMapping(options)) return
  throw new OptionsInvalidError(where, `the options must be an object, such as ${example}, ${options === undefined ? 'but are missing' : `got ${show(options)}`}`)
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
function nearness ({ path, type }: ValueError): number {
  return path.length + (limitOf(type) === undefined && type !== Fault.StringPattern ? 0 : 0.5)
}

function explain (type: Fault, expected: TSchema, actual: unknown, isSecret: boolean): string {
  const got = actual === undefined ? 'but is missing' : isSecret ? `got ${typeof actual === 'string' ? `one of ${actual.length}` : typeof actual}` : `got ${show(actual)}`
  const hint = expected.description === undefined ? '' : ` (${expected.description})`
  if (type === Fault.StringPattern) return `${patternText(expected)}, ${got}${hint}`
  return `must be ${kind(expected)}${limitOf(type)?.(expected) ?? ''}, ${got}${hint}`
}

/** In words: those of the schema, which editors show as well. */
function patternText ({ patternErrorMessage }: TSchema): string {
  if (typeof patternErrorMessage !== 'string') throw new TypeError('the schema of a string has a pattern, but no words for it (patternErrorMessage)')
  return patternErrorMessage
}

function unknownOption (name: string, schema: TSchema, others: readonly string[]): string {
  // The names of a record are the user's own, so one that is refused is not unknown, but malformed.
  if (schema.properties === undefined && schema.patternProperties !== undefined) return patternText(schema)
  const known = Object.keys(schema.properties as Record<string, TSchema> | undefined ?? {})
  const fix = correction(name, [...known, ...others])
  if (fix !== undefined) return `there is no such option; ${fix}`
  return `there is no such option${known.length === 0 ? '' : `; known are ${known.join(', ')}`}`
}

/** What a value of the right type still breaks, in words. */
const LIMITS: { readonly [type in Fault]?: (schema: TSchema) => string } = {
  [Fault.IntegerMinimum]: ({ minimum }) => ` of at least ${minimum}`,
  [Fault.IntegerMaximum]: ({ maximum }) => ` of at most ${maximum}`,
  [Fault.NumberMinimum]: ({ minimum }) => ` of at least ${minimum}`,
  [Fault.NumberMaximum]: ({ maximum }) => ` of at most ${maximum}`,
  [Fault.NumberExclusiveMinimum]: ({ exclusiveMinimum }) => ` greater than ${exclusiveMinimum}`,
  [Fault.NumberExclusiveMaximum]: ({ exclusiveMaximum }) => ` less than ${exclusiveMaximum}`,
  [Fault.StringMinLength]: ({ minLength }) => ` with a length of at least ${minLength}`,
  [Fault.StringMaxLength]: ({ maxLength }) => ` with a length of at most ${maxLength}`,
  [Fault.ObjectMinProperties]: ({ minProperties }) => ` with at least ${minProperties} entry`,
  [Fault.ArrayMinItems]: ({ minItems }) => ` with a length of at least ${minItems}`,
  [Fault.ArrayMaxItems]: ({ maxItems }) => ` with a length of at most ${maxItems}`
}

function limitOf (type: Fault): ((schema: TSchema) => string) | undefined {
  return LIMITS[type]
}

function kind (schema: TSchema): string {
  if (KindGuard.IsLiteral(schema)) return JSON.stringify(schema.const)
  if (!KindGuard.IsUnion(schema)) {
    const type = KindGuard.IsAsyncIterator(schema) ? 'async iterable' : String(schema.type).toLowerCase()
    return `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`
  }
  if (schema.anyOf.every(branch => KindGuard.IsLiteral(branch))) {
    return `one of ${schema.anyOf.map(branch => String(branch.const)).join(', ')}`
  }
  return [...new Set(schema.anyOf.map(kind))].join(' or ')
}

/** A value in a message, no longer than is needed to recognise it. */
export function show (value: unknown): string {
  if (typeof value === 'function') return 'a function'
  // JSON has no NaN.
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
