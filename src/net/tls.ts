import { readFileSync } from 'node:fs'
import { OptionsInvalidError } from '../errors.js'
import type { UpstreamTlsOptions } from '../options/index.js'

/** TLS options as node:tls takes them. */
export interface TlsClientOptions {
  ca?: string[]
  cert?: string[]
  key?: string[]
  servername?: string
  rejectUnauthorized?: boolean
}

/**
 * Reads the files that the options name, once.
 *
 * @param where Whose options they are, for the error.
 * @throws {OptionsInvalidError} naming a file that cannot be read, or half of a pair.
 */
export function tlsClientOptions (options: UpstreamTlsOptions | undefined, where: string): TlsClientOptions {
  if (options === undefined) return {}
  const { ca, cert, key, ...rest } = options
  if ((cert === undefined) !== (key === undefined)) {
    throw new OptionsInvalidError(where, "options 'tls.cert' and 'tls.key' belong together: give both, or neither")
  }
  return {
    ...rest,
    ...(ca !== undefined && { ca: readPems(ca, where, 'tls.ca') }),
    ...(cert !== undefined && { cert: readPems(cert, where, 'tls.cert') }),
    ...(key !== undefined && { key: readPems(key, where, 'tls.key') })
  }
}

/** The files among what is given. */
export function pemFiles (given: string | string[]): string[] {
  return [given].flat().filter(item => !item.includes('-----BEGIN '))
}

/** PEM texts as they are, and the contents of the files that the others name. */
export function readPems (given: string | string[], where: string, option: string): string[] {
  return [given].flat().map(item => {
    if (item.includes('-----BEGIN ')) return item
    let text: string
    try {
      text = readFileSync(item, 'utf8')
    } catch (error) {
      throw new OptionsInvalidError(where, `option '${option}': the file '${item}' cannot be read (${(error as NodeJS.ErrnoException).code}). Give PEM text, or the path of a file of it.`)
    }
    if (text.includes('-----BEGIN ')) return text
    throw new OptionsInvalidError(where, `option '${option}': the file '${item}' holds no PEM text`)
  })
}
