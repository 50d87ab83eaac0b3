import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Where a proxy listens, on 127.0.0.1. */
export interface Address {
  port: number
  tls: boolean
}

/** What the load and the target speak, and so all proxies alike: that which Node and nginx choose anyway. */
export const TLS = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384' } as const

/** For all connections: what was read is looked at before the next read, or not at all. */
export const buffer = Buffer.allocUnsafe(65_536)

/**
 * Connects to a proxy.
 *
 * @param onBytes Told how many bytes are in the buffer.
 * @param onReady Told when the connection can be written to.
 */
export function connectTo ({ port, tls }: Address, onBytes: (length: number) => void, onReady: () => void): Socket {
  const options = {
    host: '127.0.0.1',
    port,
    onread: {
      buffer,
      callback (length: number) {
        onBytes(length)
        return true
      }
    }
  }
  const socket = tls ? connectTls({ ...TLS, ...options, rejectUnauthorized: false }, onReady) : connect(options, onReady)
  return socket.setNoDelay()
}
