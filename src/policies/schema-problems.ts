import { linearPattern } from '../message/linear-pattern.js'
import { nearest } from '../options/did-you-mean.js'
import type { JsonSchema } from '../options/index.js'
import { isMapping } from '../options/mapping.js'
import { show, type Problem } from '../options/validate.js'

/* What is wrong with a JSON Schema of valid shape, with its place, which the errors of Ajv do not name. */

/** Keywords whose value is a schema, several of them, or some by name. */
const ONE = ['additionalItems', 'additionalProperties', 'contains', 'else', 'if', 'items', 'not', 'propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties']
const SEVERAL = ['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems']
const NAMED = ['$defs', 'definitions', 'dependencies', 'dependentSchemas', 'patternProperties', 'properties']

/** A `$ref`, and where it is. */
export interface Reference { path: string[], value: string }

/** What a schema may have. */
export interface Vocabulary {
  keywords: readonly string[]
  formats: readonly string[]
  onReference (reference: Reference): void
}

export function schemaProblems (schema: JsonSchema, vocabulary: Vocabulary): Problem[] {
  return [...problemsIn(schema, [], vocabulary)]
}

function * problemsIn (value: unknown, path: string[], vocabulary: Vocabulary): Iterable<Problem> {
  if (!isMapping(value)) return
  for (const [name, item] of Object.entries(value)) yield * problemsOf(name, item, [...path, name], vocabulary)
  for (const name of ONE) yield * problemsIn(value[name], [...path, name], vocabulary)
  for (const name of SEVERAL) {
    const items = value[name]
    if (Array.isArray(items)) for (const [index, item] of items.entries()) yield * problemsIn(item, [...path, name, String(index)], vocabulary)
  }
  for (const name of NAMED) {
    const named = value[name]
    if (isMapping(named)) for (const [key, item] of Object.entries(named)) yield * problemsIn(item, [...path, name, key], vocabulary)
  }
}

function * problemsOf (name: string, value: unknown, path: string[], { keywords, formats, onReference }: Vocabulary): Iterable<Problem> {
  if (!keywords.includes(name)) {
    const suggestion = nearest(name, keywords)
    yield { path, message: `there is no such keyword in JSON Schema, and so nothing would be checked by it; ${suggestion === undefined ? 'remove it' : `did you mean '${suggestion}'?`}`, unknownName: true }
  } else if (name === 'pattern') {
    yield * patternProblems(value as string, path)
  } else if (name === 'patternProperties') {
    for (const pattern of Object.keys(value as object)) yield * patternProblems(pattern, [...path, pattern])
  } else if (name === 'format' && !formats.includes(value as string)) {
    yield { path, message: `must be one of ${formats.join(', ')}; got ${show(value)}. Use a 'pattern' for others` }
  } else if (name === 'properties' && Object.hasOwn(value as object, '__proto__')) {
    yield { path: [...path, '__proto__'], message: "a property of this name cannot be checked; remove it, and refuse it with 'additionalProperties' or 'propertyNames'" }
  } else if (name === '$ref') {
    onReference({ path, value: value as string })
  }
}

function * patternProblems (pattern: string, path: string[]): Iterable<Problem> {
  try {
    linearPattern(pattern, 'u', '')
  } catch (error) {
    yield { path, message: (error as Error).message }
  }
}
