import { once } from 'node:events'
import { connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Where a program listens: a port of 127.0.0.1 or a Unix socket, in plain or over TLS. */
export type Address = ({ port: number } | { path: string }) & { tls?: boolean, protocols?: string[] }

/** Key and certificate, as PEM text. */
export interface Pem { key: string, cert: string }

/** Listens on a port of 127.0.0.1, or on a path; gives the address. */
export async function listening (server: Server, path?: string): Promise<{ port: number } | { path: string }> {
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  return path === undefined ? { port: (server.address() as AddressInfo).port } : { path }
}

/** The options of net.connect() for an address. */
export function place (address: Address): { port: number, host: string } | { path: string } {
  return 'path' in address ? { path: address.path } : { port: address.port, host: '127.0.0.1' }
}

/** An address as a target of an upstream. */
export function targetUrl (address: Address): string {
  return 'path' in address ? `unix:${address.path}` : `${address.tls === true ? 'https' : 'http'}://127.0.0.1:${address.port}`
}

/** A connection to an address, without TLS. It has an 'error' listener. */
export function dialPlain (address: Address): Socket {
  return connect({ ...place(address), allowHalfOpen: true, noDelay: true }).on('error', () => {})
}

/** A connection to an address; 'secureConnect' or 'connect' says that it is open. It has an 'error' listener. */
export function dial (address: Address, protocols = address.protocols ?? ['http/1.1']): Socket {
  const socket = dialPlain(address)
  if (address.tls !== true) return socket
  const secure = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: protocols }).on('error', () => {})
  // A TLS connection does not say that the one below it could not be made.
  socket.on('error', error => secure.destroy(error))
  return secure
}

/** A connection that is open. */
export async function dialled (address: Address, protocols?: string[]): Promise<Socket> {
  const socket = dial(address, protocols)
  await once(socket, address.tls === true ? 'secureConnect' : 'connect')
  return socket
}
