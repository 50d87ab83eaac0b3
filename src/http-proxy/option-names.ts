import { OptionsInvalidError } from '../errors.js'

/** What becomes of the options of one object, by name: 'used', 'idle' for one that changes nothing here, or why it is refused and what to write in its place. */
export type Names = Record<string, 'used' | 'idle' | { refused: string }>

/** Tunes the parser of the package ws, which reads and keeps whole messages. The relay does neither. */
export const IDLE_IN_RELAY = {
  allowSynchronousEvents: 'idle',
  autoPong: 'idle',
  maxBufferedChunks: 'idle',
  maxFragments: 'idle',
  maxPendingAutoPongs: 'idle'
} as const

/**
 * The options of an object that are given, once it is known that each of them is understood.
 *
 * @param where Whose options they are, for the error.
 * @param option The name of the object among these.
 * @throws {OptionsInvalidError} naming the option and the fix.
 */
export function understood (given: unknown, names: Names, where: string, option: string): Record<string, unknown> {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object') throw new OptionsInvalidError(where, `option '${option}' must be an object`)
  const present = Object.entries(given as object).filter(([, value]) => value !== undefined)
  for (const [name] of present) {
    const known = Object.hasOwn(names, name) ? names[name]! : { refused: 'it is not known to have an effect on WebSockets through the gateway. Remove it.' }
    if (typeof known === 'object') throw new OptionsInvalidError(where, `option '${option}.${name}': ${known.refused}`)
  }
  return Object.fromEntries(present)
}

/**
 * Whether permessage-deflate may be used; undefined where nothing is said of it.
 *
 * @throws {OptionsInvalidError} for parameters: client and target compress, not the gateway between them.
 */
export function compressionOf (perMessageDeflate: unknown, where: string, option: string): boolean | undefined {
  if (perMessageDeflate === undefined || perMessageDeflate === null) return undefined
  if (typeof perMessageDeflate === 'boolean') return perMessageDeflate
  if (typeof perMessageDeflate === 'object' && Object.keys(perMessageDeflate).length === 0) return true
  throw new OptionsInvalidError(where, `option '${option}.perMessageDeflate': it must be true or false. The client and the target agree on compression and compress, so its parameters are theirs: give them to the target.`)
}

/** @throws {OptionsInvalidError} for anything but a function. */
export function functionOf<T> (value: unknown, where: string, option: string): T | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'function') throw new OptionsInvalidError(where, `option '${option}' must be a function`)
  return value as T
}

/**
 * The longest message of one side: `maxPayload` of ws, in which 0 stands for no limit.
 *
 * @throws {OptionsInvalidError} for anything but a whole number of bytes.
 */
export function maxPayloadOf (maxPayload: unknown, where: string, option: string): number | undefined {
  if (maxPayload === undefined || maxPayload === 0 || maxPayload === Infinity) return undefined
  if (!Number.isSafeInteger(maxPayload) || (maxPayload as number) < 0) throw new OptionsInvalidError(where, `option '${option}.maxPayload' must be a whole number of bytes, or 0 for no limit`)
  return maxPayload as number
}
