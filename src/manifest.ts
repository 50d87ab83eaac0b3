import nodeModule from 'node:module'
import { dirname } from 'node:path'

// Not the name createRequire: bundlers put it ahead of what they make, and leave this import as it is.
// By the package's name, not by a relative path: it is found from src/ and from dist/ alike.
const requireFromHere = (): NodeJS.Require => nodeModule.createRequire(import.meta.url)

/** The version of the package. */
export function version (): string {
  return (requireFromHere()('sluice/package.json') as { version: string }).version
}

/** The folder of the package. */
export function packageFolder (): string {
  return dirname(requireFromHere().resolve('sluice/package.json'))
}
