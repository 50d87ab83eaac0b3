import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { TargetUnreachableError } from '../errors.js'
import type { Cancellation } from './cancellation.js'
import type { TargetAddress } from './target.js'
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
}

/**
 * Opens a connection of its own to a target.
 *
 * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
 */
export function dial (address: TargetAddress, { timeout, tls, onread, cancellation, session, onSession }: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (cancellation.cancelled) return reject(new TargetUnreachableError({ cause: new Error('given up') }))
    // A WebSocket's half-close must not end the other half by itself.
    const connection = { allowHalfOpen: true, noDelay: true, keepAlive: true }
    const plain = { ...connection, ...(onread !== undefined && { onread }) }
    const { hostname, port, secure, socketPath } = address
    const socket = socketPath !== undefined
      ? connectTcp({ ...plain, path: socketPath })
      : secure
        // An IP address is no name for SNI (RFC 6066 §3).
        ? connectTls({ ...connection, host: hostname, port, ALPNProtocols: ['http/1.1'], ...(isIP(hostname) === 0 && { servername: hostname }), ...tls, ...(session !== undefined && { session }) })
        : connectTcp({ ...plain, host: hostname, port })
    if (secure && onSession !== undefined) socket.on('session', onSession)
    const established = secure ? 'secureConnect' : 'connect'
    const timer = setTimeout(() => fail(new Error(`no connection within ${timeout} ms`)), timeout)

    const settle = () => {
      clearTimeout(timer)
      cancellation.listener = undefined
      socket.removeListener('error', fail).removeListener('close', closed).removeListener(established, done)
    }
    const done = () => {
      settle()
      resolve(socket)
    }
    const fail = (cause: Error) => {
      settle()
      // A connection attempt that is given up may still report an error.
      socket.on('error', () => {}).destroy()
      reject(new TargetUnreachableError({ cause }))
    }
    const closed = () => fail(new Error('closed while connecting'))
    socket.on(established, done).on('error', fail).on('close', closed)
    cancellation.listener = () => fail(new Error('given up'))
  })
}
