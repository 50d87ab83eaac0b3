import { OptionsInvalidError } from '../../errors.js'
import type { DiscoveryOptions } from '../../options/index.js'
import { dnsSource } from './dns.js'
import { fileSource } from './file.js'
import { httpSource } from './http.js'
import { kubernetesSource } from './kubernetes.js'
import type { TargetSource } from './source.js'

/** What is wrong with options that a schema cannot say; undefined for nothing. */
export function discoveryFault (options: DiscoveryOptions): string | undefined {
  const given = Object.entries(options).filter(([, value]) => value !== undefined).map(([name]) => name)
  if (given.length === 1) return undefined
  return given.length === 0
    ? 'it does not say where targets are found; give a list of targets, or one of dns, file, http and kubernetes'
    : `targets are found in one place; keep one of ${given.join(' and ')}`
}

/** @throws {OptionsInvalidError} where the options do not name exactly one source. */
export function sourceOf (options: DiscoveryOptions, where: string): TargetSource {
  const fault = discoveryFault(options)
  if (fault !== undefined) throw new OptionsInvalidError(where, `option 'targets': ${fault}`)
  if (options.dns !== undefined) return dnsSource(options.dns)
  if (options.file !== undefined) return fileSource(options.file)
  if (options.http !== undefined) return httpSource(options.http)
  return kubernetesSource(options.kubernetes!)
}
