import { KindGuard, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

/** What the numbers of an option count: the keyword `unit` of its schema. */
export type Unit = 'milliseconds' | 'seconds' | 'bytes'

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES: Readonly<Record<string, number>> = {
  B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4
}

/** What is right for each unit, in words. */
const WORDS: Readonly<Record<Unit, string>> = {
  milliseconds: 'an integer (milliseconds), or a duration such as 500ms, 20s, 1m30s, 12h or 7d',
  seconds: 'an integer (seconds), or a duration such as 90s, 30m, 12h or 7d',
  bytes: 'an integer (bytes), or a size such as 64KiB, 10MiB or 10MB'
}

/**
 * The number that a text such as `20s`, `1m30s` or `10MiB` stands for.
 *
 * @returns undefined for any other text, and for one that is not a whole number of the unit.
 */
export function quantityOf (text: string, unit: Unit): number | undefined {
  const sizes = unit === 'bytes' ? BYTES : MILLISECONDS
  let sum = 0
  let end = 0
  for (const part of text.matchAll(/(\d{1,16}(?:\.\d{1,9})?) ?([A-Za-z]{1,3})/g)) {
    const [whole, number, name] = part
    const size = Object.hasOwn(sizes, name!) ? sizes[name!]! : undefined
    // Nothing may stand between two parts, and a size has one.
    if (size === undefined || part.index !== end || (unit === 'bytes' && end > 0)) return undefined
    sum += Number(number) * size
    end += whole.length
  }
  const value = unit === 'seconds' ? sum / 1_000 : sum
  // 1.1 * 1000 is not quite 1100.
  const rounded = Math.round(value)
  return end > 0 && end === text.length && Math.abs(value - rounded) < 1e-6 ? rounded : undefined
}

/** A text in the place of a number that is not a valid quantity. */
export interface QuantityProblem {
  path: string[]
  message: string
}

/**
 * A configuration as the schema wants it, from one in which people write durations and sizes as texts. Whatever is not a
 * text where a number belongs stays as it is, for the schema to judge.
 *
 * @param isVariable Whether a text comes from an environment variable, which knows no other types: it may stand for a
 *   number or for true and false.
 */
export function withQuantities (schema: TSchema, value: unknown, isVariable: (path: readonly string[]) => boolean): { value: unknown, problems: QuantityProblem[] } {
  const problems: QuantityProblem[] = []
  return { value: convert(schema, value, [], { isVariable, problems }), problems }
}

interface Context {
  isVariable: (path: readonly string[]) => boolean
  problems: QuantityProblem[]
}

function convert (schema: TSchema, value: unknown, path: string[], context: Context): unknown {
  if (typeof value === 'string') return ofText(schema, value, path, context)
  if (typeof value !== 'object' || value === null) return value
  if (KindGuard.IsUnion(schema)) return schema.anyOf.reduce((converted: unknown, branch) => convert(branch, converted, path, context), value)
  if (Array.isArray(value)) {
    return KindGuard.IsArray(schema) ? value.map((item, index) => convert(schema.items, item, [...path, String(index)], context)) : value
  }
  const inner = (name: string): TSchema | undefined => {
    if (KindGuard.IsObject(schema)) return Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    return KindGuard.IsRecord(schema) ? Object.values(schema.patternProperties)[0] : undefined
  }
  // As it was made: a name may be __proto__.
  const copy = {}
  for (const [name, item] of Object.entries(value)) {
    const schemaOfItem = inner(name)
    const converted = schemaOfItem === undefined ? item : convert(schemaOfItem, item, [...path, name], context)
    Object.defineProperty(copy, name, { value: converted, enumerable: true, configurable: true, writable: true })
  }
  return copy
}

function ofText (schema: TSchema, text: string, path: string[], { isVariable, problems }: Context): unknown {
  const branches: TSchema[] = KindGuard.IsUnion(schema) ? schema.anyOf : [schema]
  if (Value.Check(schema, text) || branches.some(branch => KindGuard.IsString(branch))) return text
  const unit = branches.map(({ unit }) => unit as Unit | undefined).find(unit => unit !== undefined)
  if (isVariable(path)) {
    const plain = plainValue(text)
    if (Value.Check(schema, plain) || (typeof plain === 'number' && unit !== undefined)) return plain
  }
  if (unit === undefined) return text
  const quantity = quantityOf(text, unit)
  if (quantity !== undefined) return quantity
  problems.push({ path, message: `must be ${WORDS[unit]}, got ${JSON.stringify(text)}` })
  return text
}

/** As YAML reads a text without quotes. */
function plainValue (text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text
}
