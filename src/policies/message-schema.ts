import nodeModule from 'node:module'
import type { Ajv, CodeKeywordDefinition, ErrorObject, Options } from 'ajv'
import type { Ajv2020 } from 'ajv/dist/2020.js'
import type { FormatName, FormatsPlugin } from 'ajv-formats'
import { linearPattern } from '../message/linear-pattern.js'
import type { JsonSchema } from '../options/index.js'
import { pointerNames } from '../options/mapping.js'
import type { Problem } from '../options/validate.js'
import { show } from '../options/validate.js'
import { schemaProblems, type Reference } from './schema-problems.js'

/*
 * JSON Schemas of operators for messages of clients, compiled with Ajv. A schema is trusted, a message is not: whatever
 * its form, the work on it has a bound, and what cannot be checked is not valid.
 */

/** What is wrong with a value, for its sender; undefined if it is valid. */
export type SchemaCheck = (value: unknown, length: number) => string | undefined

/**
 * The work of patterns on one message: the size of a pattern, which is about the number of its states, times the
 * characters that it is tried on. From 10 to 200 ms.
 */
const MAX_STEPS = 2 ** 21
/**
 * How often references are followed in one message: so many times, and further ones for each of its characters. A
 * schema that refers to itself in two branches of an anyOf is otherwise tried 2 ** depth times.
 */
const REFERENCES = 1_000
const REFERENCES_PER_CHARACTER = 2

const DRAFT_07 = 'http://json-schema.org/draft-07/schema'
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema'

/** Those of ajv-formats whose time is linear, which test/linear-time.long.test.ts checks; that of 'url' is not. */
export const FORMATS: readonly FormatName[] = [
  'date', 'time', 'date-time', 'iso-time', 'iso-date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uri', 'uri-reference',
  'uri-template', 'uuid', 'json-pointer', 'json-pointer-uri-fragment', 'relative-json-pointer', 'int32', 'int64', 'float', 'double'
]

/** The full ones look at the days of months, too. Those of URIs are too large for anybody to find them linear. */
export function formatMode (name: FormatName): 'fast' | 'full' {
  return name.startsWith('uri') ? 'fast' : 'full'
}

/** What is left of the work that one message may be. */
interface Work { steps: number, references: number }

class TooMuchWork extends Error {}

/** A part of Ajv. Not by an import: whoever has no schema loads none of it. */
function load (name: string): unknown {
  // Not the name createRequire, which bundlers take for their own (src/manifest.ts).
  return nodeModule.createRequire(import.meta.url)(name)
}

function ajvOf (schema: JsonSchema): new (options: Options) => Ajv | Ajv2020 {
  return is2020(schema) ? (load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')).Ajv2020 : (load('ajv') as typeof import('ajv')).Ajv
}

/** Whether there is Ajv. */
function canLoad (): boolean {
  try {
    load('ajv')
    return true
  } catch {
    return false
  }
}

function is2020 ({ $schema }: JsonSchema): boolean {
  return withoutHash($schema) === DRAFT_2020
}

function withoutHash (uri: unknown): unknown {
  return typeof uri === 'string' ? uri.replace(/#$/, '') : uri
}

const compiled = new WeakMap<JsonSchema, SchemaCheck | Problem[]>()

/**
 * Compiles a schema; the same one only once.
 *
 * @returns What checks a value; or what is wrong with the schema, with the places in it.
 */
export function compileSchema (schema: JsonSchema): SchemaCheck | Problem[] {
  let result = compiled.get(schema)
  if (result === undefined) compiled.set(schema, result = compile(schema))
  return result
}

function compile (schema: JsonSchema): SchemaCheck | Problem[] {
  const { $schema } = schema
  if ($schema !== undefined && withoutHash($schema) !== DRAFT_07 && !is2020(schema)) {
    return [{ path: ['$schema'], message: `must be ${DRAFT_07}#, which holds for a schema without it, or ${DRAFT_2020}; got ${show($schema)}` }]
  }
  if (!canLoad()) return [{ path: [], message: "a schema is compiled by the package ajv, which was not found, as in a bundle; tell the bundler that 'sluice' is external" }]
  const shape = shapeProblems(schema)
  if (shape.length > 0) return shape
  const work: Work = { steps: 0, references: 0 }
  // One for each schema: an instance remembers every $id.
  const ajv = instance(schema, work)
  const references: Reference[] = []
  const found = schemaProblems(schema, {
    keywords: Object.keys(ajv.RULES.keywords).filter(name => name !== '$async'),
    formats: FORMATS,
    onReference: reference => { references.push(reference) }
  })
  if (found.length > 0) return found
  try {
    const validate = ajv.compile(schema)
    return (value, length) => {
      work.steps = MAX_STEPS
      work.references = REFERENCES + REFERENCES_PER_CHARACTER * length
      try {
        // Not what is merely truthy, such as a promise.
        return validate(value) === true ? undefined : faultOf(validate.errors)
      } catch (error) {
        return error instanceof TooMuchWork ? 'it takes too long to check' : error instanceof RangeError ? 'it is nested too deeply' : 'it cannot be checked'
      }
    }
  } catch (error) {
    return [faultOfSchema(error as Error, references)]
  }
}

function instance (schema: JsonSchema, work: Work): Ajv | Ajv2020 {
  const formats = load('ajv-formats') as FormatsPlugin
  const ajv = new (ajvOf(schema))({
    // Its own shape has been checked, and it is to be no part of another instance.
    meta: false,
    validateSchema: false,
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowMatchingProperties: true,
    // Or {} has every name that Object.prototype has.
    ownProperties: true,
    discriminator: true,
    logger: false,
    formats: Object.fromEntries(FORMATS.map(name => [name, formats.get(name, formatMode(name))])),
    code: { regExp: Object.assign((pattern: string) => countedPattern(pattern, work), { code: 'linearPattern' }) }
  })
  for (const name of ['$ref', '$dynamicRef']) countReferences(ajv, name, work)
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    compile: isWanted => isWanted === true ? items => areUnique(items as unknown[], work) : () => true,
    error: { message: 'must NOT have duplicate items' }
  })
  return ajv
}

function countedPattern (pattern: string, work: Work): { test (text: string): boolean, toString (): string } {
  const compiled = linearPattern(pattern, 'u', '')
  const size = compiled.programSize()
  return {
    test: text => {
      if ((work.steps -= size * text.length) < 0) throw new TooMuchWork()
      return compiled.test(text)
    },
    // By which Ajv tells patterns apart.
    toString: () => `/${pattern}/u`
  }
}

function countReferences (ajv: Ajv | Ajv2020, name: string, work: Work): void {
  const definition = ajv.getKeyword(name)
  if (typeof definition !== 'object') return
  const { code } = definition as unknown as CodeKeywordDefinition
  const { _ } = load('ajv') as typeof import('ajv')
  const count = (): void => { if (--work.references < 0) throw new TooMuchWork() }
  ajv.removeKeyword(name)
  ajv.addKeyword({
    ...definition as unknown as CodeKeywordDefinition,
    code: (context, rule) => {
      context.gen.code(_`${context.gen.scopeValue('func', { ref: count })}()`)
      code(context, rule)
    }
  })
}

/** Ajv's own compares each item with each. */
function areUnique (items: readonly unknown[], work: Work): boolean {
  const seen = new Set<string>()
  for (const item of items) {
    const text = canonical(item, work)
    if (seen.has(text)) return false
    seen.add(text)
  }
  return true
}

/** The same text for values that are the same to JSON. */
function canonical (value: unknown, work: Work): string {
  if (--work.references < 0) throw new TooMuchWork()
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(item => canonical(item, work)).join()}]`
  return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${canonical(item, work)}`).sort().join()}}`
}

/** Instances that compile nothing but the schema of schemas, which takes a while. */
const judges = new Map<boolean, Ajv | Ajv2020>()

/** What the schema of schemas says. */
function shapeProblems (schema: JsonSchema): Problem[] {
  const which = is2020(schema)
  let judge = judges.get(which)
  if (judge === undefined) judges.set(which, judge = new (ajvOf(schema))({ strict: false, validateFormats: false, logger: false }))
  if (judge.validateSchema(schema) === true) return []
  // Ajv stops at the first place; what it says first is nearest to it.
  const [error] = judge.errors!
  return [{ path: pointerNames(error!.instancePath), message: detailed(error!) }]
}

function faultOfSchema (error: Error, references: readonly Reference[]): Problem {
  const { missingRef } = error as { missingRef?: string }
  if (missingRef === undefined) return { path: [], message: error.message.replace(/^strict mode: /, '') }
  const { path, value } = references.find(({ value }) => missingRef === value || missingRef.endsWith(value)) ?? { path: [], value: missingRef }
  const message = value.startsWith('#')
    ? `there is nothing at '${value}' in the schema; correct it`
    : `'${value}' is no part of this schema, and no other document is loaded; put it under 'definitions', and write #/definitions/NAME`
  return { path, message }
}

/** What is wrong with a value, in words. Of a union, that is the union itself: which branch was meant, nobody knows. */
function faultOf (errors: ErrorObject[] | null | undefined): string {
  const last = errors?.at(-1)
  if (last === undefined) return 'it is not valid'
  const error = last.keyword === 'if' && errors!.length > 1 ? errors!.at(-2)! : last
  return `${error.instancePath} ${detailed(error)}`.trimStart()
}

function detailed ({ keyword, message = 'is not valid', params }: ErrorObject): string {
  const { additionalProperty, unevaluatedProperty, allowedValues } = params as Record<string, unknown>
  const extra = additionalProperty ?? unevaluatedProperty ?? (keyword === 'enum' && Array.isArray(allowedValues) ? allowedValues : undefined)
  return extra === undefined ? message : `${message}: ${Array.isArray(extra) ? extra.map(value => show(value)).join(', ') : show(extra)}`
}
