import { readFileSync } from 'node:fs'
import { OptionsInvalidError } from '../errors.js'
import { withDefaults } from '../options/defaults.js'
import { MessageRules, type JsonSchema } from '../options/index.js'
import { isMapping, pointerNames } from '../options/mapping.js'
import type { Problem } from '../options/validate.js'
import { compileSchema, type SchemaCheck } from './message-schema.js'

/** A message that its rules do not let through. */
export interface InvalidMessage {
  /** What is wrong with it, for its sender: at most 123 bytes, as a Close has room for (RFC 6455 §5.5). */
  reason: string
  /** What happens then. */
  action: 'close' | 'drop'
}

/** Checks the text of a message; a binary one has none. @returns undefined if it is valid. */
export type MessageCheck = (text: string | undefined) => InvalidMessage | undefined

/** The longest reason of a Close, in bytes. */
const MAX_REASON = 123

/** Rules whose schema has been read, where it was in a file. */
type ReadRules = Omit<MessageRules, 'schema'> & { schema?: JsonSchema }

type Values = NonNullable<MessageRules['allow']>

/**
 * What is wrong with rules that have the right shape: it shows only when their schema is compiled.
 */
export function messageRulesProblems ({ schema, allow, deny }: ReadRules): Problem[] {
  if (schema === undefined && allow === undefined && deny === undefined) return [{ path: [], message: "must have 'schema', 'allow' or 'deny', or there is nothing to check" }]
  const compiled = schema === undefined ? [] : compileSchema(schema)
  return Array.isArray(compiled) ? compiled.map(problem => ({ ...problem, path: ['schema', ...problem.path] })) : []
}

/**
 * Compiles the rules of a direction.
 *
 * @param where Whose they are, such as "Route '/chat'".
 * @param option Their own option, such as 'websocket.messages.fromClient'.
 * @throws {OptionsInvalidError} for a schema that cannot be compiled, or if there is nothing to check.
 */
export function compileMessageRules (given: MessageRules, where: string, option: string): MessageCheck {
  const rules = (typeof given.schema === 'string' ? { ...given, schema: readSchema(given.schema, where, option) } : given) as ReadRules
  const problems = messageRulesProblems(rules)
  if (problems.length > 0) throw new OptionsInvalidError(where, problems.map(({ path, message }) => `option '${[option, ...path].join('.')}': ${message}`).join('; '))
  const { schema, allow = {}, deny = {}, onInvalid: action } = withDefaults<ReadRules, 'onInvalid'>(MessageRules, rules, ['onInvalid'])
  const ofValues = [...valueChecks(allow, true), ...valueChecks(deny, false)]
  const ofSchema = schema === undefined ? undefined : compileSchema(schema) as SchemaCheck
  const fault = (text: string | undefined): string | undefined => {
    if (text === undefined) return 'it is binary, not text'
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return 'it is not JSON'
    }
    for (const check of ofValues) {
      const fault = check(value)
      if (fault !== undefined) return fault
    }
    return ofSchema?.(value, text.length)
  }
  return text => {
    const reason = fault(text)
    return reason === undefined ? undefined : { reason: shortened(reason), action }
  }
}

/**
 * Reads a file of JSON.
 *
 * @throws {OptionsInvalidError} naming the file.
 */
function readSchema (path: string, where: string, option: string): JsonSchema {
  try {
    const schema: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (isMapping(schema)) return schema
  } catch (error) {
    throw new OptionsInvalidError(where, `option '${option}.schema': '${path}' cannot be read as a file of JSON: ${(error as Error).message}`)
  }
  throw new OptionsInvalidError(where, `option '${option}.schema': '${path}' must have a JSON Schema, which is an object`)
}

function valueChecks (byPointer: Values, isAllowed: boolean): Array<(message: unknown) => string | undefined> {
  return Object.entries(byPointer).map(([pointer, values]) => {
    const path = pointerNames(pointer)
    // Whose comparison is that of JSON: 0 and -0 are the same, 1 and '1' are not.
    const set = new Set<unknown>(values)
    const fault = `${pointer} ${isAllowed ? 'must be one of the allowed values' : 'must not have this value'}`.trimStart()
    return message => set.has(valueAt(message, path)) === isAllowed ? undefined : fault
  })
}

const INDEX = /^(?:0|[1-9]\d{0,9})$/

/** The value at a JSON pointer (RFC 6901); undefined if there is none, which is no value of JSON. */
function valueAt (value: unknown, path: readonly string[]): unknown {
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    if (Array.isArray(value) && !INDEX.test(name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** A fault as the reason of a Close: if it is too long, the path in it is cut first, whose names may be the sender's. */
function shortened (fault: string): string {
  if (Buffer.byteLength(fault) <= MAX_REASON) return wellFormed(fault)
  const space = fault.startsWith('/') ? fault.lastIndexOf(' must ') : -1
  const message = fault.slice(Math.max(space, 0))
  const room = MAX_REASON - Buffer.byteLength(message)
  return space === -1 || room < 24 ? cut(fault, MAX_REASON) : cut(fault.slice(0, space), room) + wellFormed(message)
}

/** At the boundary of a character, with a sign that something is missing. */
function cut (text: string, bytes: number): string {
  let result = ''
  let left = bytes - Buffer.byteLength('…')
  // More characters than bytes have no room.
  for (const character of wellFormed(text.slice(0, bytes))) {
    left -= Buffer.byteLength(character)
    if (left < 0) break
    result += character
  }
  return `${result}…`
}

/** A text that UTF-8 can hold: JSON can escape half a character. */
function wellFormed (text: string): string {
  return Buffer.from(text).toString()
}
