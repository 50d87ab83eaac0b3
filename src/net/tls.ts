import { readFileSync } from 'node:fs'
import { OptionsInvalidError } from '../errors.js'
import type { UpstreamTlsOptions } from '../options/index.js'
import { CertificateFault, checkCertificates, checkPairs, type PemText } from './certificates.js'

/** TLS options as node:tls takes them, and the certificates that are accepted. */
export interface TlsClientOptions {
  ca?: string[]
  cert?: string[]
  key?: string[]
  servername?: string
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  rejectUnauthorized?: boolean
  /** SHA-256 of each certificate that is accepted, as Node writes it; all when undefined. */
  fingerprints?: readonly string[]
}

/** How targets are met over TLS: the options, and what their files contain at the moment. */
export class TlsClient {
  /** Two with the same key are options of the same text, whatever is in their files. */
  readonly key: string
  /** The files that they name. */
  readonly files: readonly string[]
  readonly #given: UpstreamTlsOptions
  readonly #where: string
  /** When the files were read, as `Date.now()` counts. */
  readAt = 0
  #options: TlsClientOptions

  /**
   * @param where Whose options they are, for the error.
   * @throws {OptionsInvalidError} naming a file that cannot be read, half of a pair, or what does not belong together.
   */
  constructor (given: UpstreamTlsOptions | undefined, where: string) {
    this.#given = given ?? {}
    this.#where = where
    this.key = Object.keys(this.#given).length === 0 ? '' : JSON.stringify(this.#given, Object.keys(this.#given).sort())
    const { ca = [], cert = [], key = [] } = this.#given
    this.files = [ca, cert, key].flatMap(pemFiles)
    this.#options = this.#read()
  }

  get options (): TlsClientOptions {
    return this.#options
  }

  /**
   * Reads the files again.
   *
   * @throws {OptionsInvalidError} as the constructor does; the options stay as they were.
   */
  readAgain (): void {
    this.#options = this.#read()
  }

  #read (): TlsClientOptions {
    const { ca, cert, key, fingerprint, ...rest } = this.#given
    const where = this.#where
    this.readAt = Date.now()
    if ((cert === undefined) !== (key === undefined)) {
      throw new OptionsInvalidError(where, "options 'tls.cert' and 'tls.key' belong together: give both, or neither")
    }
    const options: TlsClientOptions = {
      ...rest,
      ...(ca !== undefined && { ca: readPems(ca, where, 'tls.ca') }),
      ...(cert !== undefined && { cert: readPems(cert, where, 'tls.cert') }),
      ...(key !== undefined && { key: readPems(key, where, 'tls.key') }),
      ...(fingerprint !== undefined && { fingerprints: [fingerprint].flat().map(normalized) })
    }
    faultsAt(where, () => {
      for (const text of named(ca ?? [], options.ca ?? [], 'tls.ca')) checkCertificates(text)
      if (cert !== undefined && key !== undefined) checkPairs(named(cert, options.cert!, 'tls.cert'), named(key, options.key!, 'tls.key'))
    })
    return options
  }
}

/** As Node writes a fingerprint: in capitals, with colons. */
function normalized (fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toUpperCase().match(/../g)!.join(':')
}

/** The files among what is given. */
export function pemFiles (given: string | string[]): string[] {
  return [given].flat().filter(item => !item.includes('-----BEGIN '))
}

/**
 * Certificates and their keys, once they are known to belong together.
 *
 * @throws {OptionsInvalidError} naming the file and the fix.
 */
export function readPair (cert: string | string[], key: string | string[], where: string): { cert: string[], key: string[] } {
  const pair = { cert: readPems(cert, where, 'tls.cert'), key: readPems(key, where, 'tls.key') }
  faultsAt(where, () => checkPairs(named(cert, pair.cert, 'tls.cert'), named(key, pair.key, 'tls.key')))
  return pair
}

/** PEM texts, with the names that messages give them. */
function named (given: string | string[], texts: readonly string[], option: string): PemText[] {
  return [given].flat().map((item, index) => ({ name: pemFiles(item).length === 0 ? `option '${option}'` : `option '${option}': the file '${item}'`, text: texts[index]! }))
}

function faultsAt (where: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof CertificateFault)) throw error
    throw new OptionsInvalidError(where, error.message)
  }
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
    throw new OptionsInvalidError(where, `option '${option}': the file '${item}' holds no PEM text. If it is in DER, 'openssl x509 -inform der -in ${item}' (or 'openssl pkey') writes it as PEM.`)
  })
}
