import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls'
import { TargetUnreachableError } from '../errors.js'
import { addressesOf, turned } from './addresses.js'
import type { Cancellation } from './cancellation.js'
import type { TargetAddress } from './target-address.js'
import type { TlsClientOptions } from './tls.js'

/** How a connection is opened. */
export interface DialOptions {
  /** Milliseconds until the connection must stand, TLS included. */
  timeout: number
  /** For an https target. */
  tls: TlsClientOptions
  /** How the connection is read, as `net.connect()` has it; not over TLS. */
  onread?: OnReadOpts | undefined
  /** Gives the dialling up. */
  cancellation: Cancellation
  /** Over TLS, the session of an earlier connection to the same target: it spares both sides most of the handshake. */
  session?: Buffer | undefined
  /** Hears of sessions that can be resumed. */
  onSession?: ((session: Buffer) => void) | undefined
  /** By how many the addresses of a name are turned, so that connections are spread over them. Default: 0. */
  turn?: number | undefined
}

/**
 * Milliseconds after which the next address of a name is tried beside those before it (RFC 8305 §5). Node gives an
 * address up by then, and the last one too.
 */
const NEXT_ADDRESS = 250

/**
 * Opens a connection of its own to a target.
 *
 * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
 * @throws The reason of its cancellation.
 */
export function dial (address: TargetAddress, options: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { reason } = options.cancellation
    if (reason !== undefined) reject(reason)
    else new Dialling(address, options, resolve, reject).start()
  })
}

/** Node would check for the address that is dialled. */
function identityOf (name: string): (host: string, certificate: PeerCertificate) => Error | undefined {
  return (_host, certificate) => checkServerIdentity(name, certificate)
}

/** What is wrong with a certificate where only some are accepted; undefined for nothing. */
function fingerprintFault (socket: TLSSocket, accepted: readonly string[]): string | undefined {
  const { fingerprint256 } = socket.getPeerCertificate()
  return accepted.includes(fingerprint256) ? undefined : `the certificate has the fingerprint ${fingerprint256}, which is not that of tls.fingerprint`
}

/** Attempts at the addresses of a target, of which the first that connects is taken. */
class Dialling {
  readonly #address: TargetAddress
  readonly #options: DialOptions
  readonly #resolve: (socket: Socket) => void
  readonly #reject: (error: Error) => void
  readonly #timer: NodeJS.Timeout
  #nextTimer: NodeJS.Timeout | undefined
  /** Addresses still to be tried. */
  #left: string[] = []
  /** Sockets that connect, each with what forgets it. */
  readonly #attempts = new Map<Socket, () => void>()
  readonly #failures: Error[] = []
  #settled = false

  constructor (address: TargetAddress, options: DialOptions, resolve: (socket: Socket) => void, reject: (error: Error) => void) {
    this.#address = address
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    const { timeout, cancellation } = options
    this.#timer = setTimeout(() => this.#giveUp(new Error(`no connection within ${timeout} ms`)), timeout)
    cancellation.listener = reason => this.#endWith(reason)
  }

  start (): void {
    const { hostname, socketPath } = this.#address
    if (socketPath !== undefined) return this.#attempt({ path: socketPath })
    if (isIP(hostname) !== 0) return this.#attempt({ host: hostname })
    addressesOf(hostname, (error, addresses) => {
      if (this.#settled) return
      if (error !== null) return this.#giveUp(error)
      this.#left = turned(addresses, this.#options.turn ?? 0)
      this.#next()
    })
  }

  #next (): void {
    clearTimeout(this.#nextTimer)
    const host = this.#left.shift()
    if (host === undefined) {
      if (this.#attempts.size > 0) return
      return this.#giveUp(this.#failures.length === 1 ? this.#failures[0]! : new AggregateError(this.#failures, 'no address could be connected to'))
    }
    if (this.#left.length > 0) this.#nextTimer = setTimeout(() => this.#next(), NEXT_ADDRESS)
    this.#attempt({ host })
  }

  #attempt (where: { host: string } | { path: string }): void {
    const { serverName, port, secure } = this.#address
    const { tls: { fingerprints, ...tls }, onread } = this.#options
    // A resumed session shows no certificate that could be compared.
    const { session, onSession } = fingerprints === undefined ? this.#options : {}
    // A WebSocket's half-close must not end the other half by itself.
    const connection = { ...where, port, allowHalfOpen: true, noDelay: true, keepAlive: true }
    const socket = secure
      // An IP address is no name for SNI (RFC 6066 §3).
      ? connectTls({ ...connection, ALPNProtocols: ['http/1.1'], ...(isIP(serverName) === 0 ? { servername: serverName } : { checkServerIdentity: identityOf(tls.servername ?? serverName) }), ...tls, ...(session !== undefined && { session }) })
      : connectTcp({ ...connection, ...(onread !== undefined && { onread }) })
    if (secure && onSession !== undefined) socket.on('session', onSession)

    const connected = () => this.#drop(socket)
    const failed = (error: Error) => {
      this.#abandon(socket)
      this.#failures.push(error)
      this.#next()
    }
    const closed = () => failed(new Error('closed while connecting'))
    const established = () => {
      const fault = fingerprints === undefined ? undefined : fingerprintFault(socket as TLSSocket, fingerprints)
      if (fault !== undefined) return failed(new Error(fault))
      forget()
      this.#settle()
      this.#resolve(socket)
    }
    const event = secure ? 'secureConnect' : 'connect'
    const forget = () => {
      this.#attempts.delete(socket)
      socket.off('connect', connected).off('error', failed).off('close', closed).off(event, established)
    }
    this.#attempts.set(socket, forget)
    socket.once('connect', connected).on('error', failed).on('close', closed).on(event, established)
  }

  /** The others are not needed, once there is a connection to one address; over TLS, its handshake is still to come. */
  #drop (taken: Socket): void {
    clearTimeout(this.#nextTimer)
    this.#left = []
    for (const socket of this.#attempts.keys()) if (socket !== taken) this.#abandon(socket)
  }

  #abandon (socket: Socket): void {
    this.#attempts.get(socket)?.()
    // It may still report an error.
    socket.on('error', () => {}).destroy()
  }

  #giveUp (cause: Error): void {
    this.#endWith(new TargetUnreachableError({ cause }))
  }

  #endWith (error: Error): void {
    if (this.#settled) return
    this.#settle()
    for (const socket of this.#attempts.keys()) this.#abandon(socket)
    this.#reject(error)
  }

  #settle (): void {
    this.#settled = true
    clearTimeout(this.#timer)
    clearTimeout(this.#nextTimer)
    this.#options.cancellation.listener = undefined
  }
}
