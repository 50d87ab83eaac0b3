import { Type } from '@sinclair/typebox'
import { parseTarget } from '../../net/target-address.js'
import { TargetOptions } from '../../options/index.js'
import { validated } from '../../options/validate.js'

const TargetList = Type.Array(TargetOptions)

/**
 * A list of targets, once it is known to be one.
 *
 * @param where Where it is from, for the error.
 * @throws {OptionsInvalidError | TargetMalformedError} naming the target and the fix.
 */
export function checkedTargets (value: unknown, where: string): readonly TargetOptions[] {
  const targets = validated(TargetList, value, where)
  for (const target of targets) {
    const { url, host } = typeof target === 'string' ? { url: target } : target
    parseTarget(url, host)
  }
  return targets
}

/**
 * The list of targets in a JSON document.
 *
 * @throws {Error} saying what is wrong with it.
 */
export function targetsIn (text: string): readonly TargetOptions[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`it is not valid JSON: ${(error as Error).message}`)
  }
  return checkedTargets(value, 'its list')
}
