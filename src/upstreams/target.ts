import type { Socket } from 'node:net'
import { TargetMalformedError } from '../errors.js'
import type { Cancellation } from './cancellation.js'
import { dial } from './dial.js'
import type { AnswerListener, Exchange, TargetRequest } from './http1/exchange.js'
import { ConnectionPool } from './http1/pool.js'
import { connectShared } from './shared-reads.js'
import type { TlsClientOptions } from './tls.js'

/** Where a target is, taken apart once. */
export interface TargetAddress {
  /** Scheme, host and port as they are written in a URL; or `unix:` and a path. */
  readonly origin: string
  /** Path of the Unix socket, when the target is one. */
  readonly socketPath?: string
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
  if (/^unix:/i.test(text)) return parseUnixTarget(text)
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

function parseUnixTarget (text: string): TargetAddress {
  const socketPath = text.slice('unix:'.length)
  if (!socketPath.startsWith('/') || socketPath.startsWith('//')) {
    throw new TargetMalformedError(text, "a Unix socket is named by its absolute path, as in 'unix:/run/app.sock'")
  }
  return { origin: `unix:${socketPath}`, socketPath, secure: false, hostname: 'localhost', port: 80, host: 'localhost' }
}

/** What a target gets from its upstream: limits in milliseconds, bytes and numbers, and how it is met over TLS. */
export interface TargetPolicy {
  connectTimeout: number
  headersTimeout: number
  bodyTimeout: number
  maxHeaderSize: number
  maxConnections: number
  maxQueue: number
  queueTimeout: number
  tls: TlsClientOptions
}

/** One origin, with the connections of the HTTP leg to it. */
export class Target {
  readonly address: TargetAddress
  readonly weight: number
  readonly policy: TargetPolicy
  readonly #pool: ConnectionPool
  /** Of the last TLS connection. */
  #session: Buffer | undefined
  readonly #onSession = (session: Buffer): void => { this.#session = session }

  constructor (address: TargetAddress, weight: number, policy: TargetPolicy) {
    this.address = address
    this.weight = weight
    this.policy = policy
    this.#pool = new ConnectionPool(this)
  }

  /**
   * Opens a connection.
   *
   * @param timeout Milliseconds until it must stand, where that is not the upstream's limit.
   * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
   */
  connect (cancellation: Cancellation, timeout = this.policy.connectTimeout): Promise<Socket> {
    const { tls } = this.policy
    return connectShared(onread => dial(this.address, { timeout, tls, onread, cancellation, session: this.#session, onSession: this.#onSession }))
  }

  /** Sends a request, on a connection that is kept for the next one. */
  send (request: TargetRequest, listener: AnswerListener): Exchange {
    return this.#pool.send(request, listener)
  }

  /** Whether connections are open, or being made, for requests. */
  get busy (): boolean {
    return this.#pool.busy
  }

  /** Whether there is a connection that the target has authenticated for a client, and that waits for its next request. */
  isBoundTo (client: Socket): boolean {
    return this.#pool.isBoundTo(client)
  }

  /** Closes the connections once the requests under way are done. */
  retire (): void {
    this.#pool.retire()
  }

  /** Destroys the connections; requests still under way fail. */
  close (): void {
    this.#pool.close()
  }
}
