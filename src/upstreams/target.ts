import { Pool } from 'undici'
import { TargetMalformedError } from '../errors.js'

/** Where a target is, taken apart once. */
export interface TargetAddress {
  /** Scheme, host and port as they are written in a URL. */
  readonly origin: string
  readonly secure: boolean
  /** Host name or IP address, an IPv6 address without its brackets. */
  readonly hostname: string
  readonly port: number
  /** The Host header that names the target. */
  readonly host: string
}

/**
 * Reads a target from its text.
 *
 * @throws {TargetMalformedError} for anything that is not an origin: another scheme, a path, credentials.
 */
export function parseTarget (text: string): TargetAddress {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new TargetMalformedError(text, `it has no scheme; did you mean 'http://${text}'?`)
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TargetMalformedError(text, 'it is no valid URL')
  }
  if (url.protocol === 'ws:' || url.protocol === 'wss:') {
    throw new TargetMalformedError(text, `a target serves both HTTP and WebSockets; write '${url.protocol === 'ws:' ? 'http' : 'https'}://${url.host}'`)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TargetMalformedError(text, `the scheme '${url.protocol.slice(0, -1)}' is not http or https`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new TargetMalformedError(`${url.protocol}//***@${url.host}`, 'it carries credentials')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new TargetMalformedError(text, `it has a path, query or fragment; write '${url.origin}'`)
  }
  if (url.port === '0') throw new TargetMalformedError(text, 'port 0 is no port to connect to')
  const secure = url.protocol === 'https:'
  return {
    origin: url.origin,
    secure,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    host: url.host
  }
}

/** The limits that a target's HTTP connections get from their upstream, in milliseconds. */
export interface TargetLimits {
  connectTimeout: number
  headersTimeout: number
  bodyTimeout: number
}

/** One origin, with the pool of HTTP connections to it. */
export class Target {
  readonly address: TargetAddress
  readonly weight: number
  readonly #limits: TargetLimits
  #pool: Pool | undefined

  constructor (address: TargetAddress, weight: number, limits: TargetLimits) {
    this.address = address
    this.weight = weight
    this.#limits = limits
  }

  /** Kept-alive connections for the HTTP leg, opened with the first request. */
  get pool (): Pool {
    this.#pool ??= new Pool(this.address.origin, {
      connect: { timeout: this.#limits.connectTimeout },
      headersTimeout: this.#limits.headersTimeout,
      bodyTimeout: this.#limits.bodyTimeout,
      // One request a connection at a time: a slow answer must not hold up another client's (head-of-line blocking).
      pipelining: 1
    })
    return this.#pool
  }

  /** Closes the pool once the requests under way are done. */
  retire (): void {
    this.#pool?.close().catch(() => {})
  }

  /** Destroys the pool; requests still under way fail. */
  async close (): Promise<void> {
    await this.#pool?.destroy()
  }
}
