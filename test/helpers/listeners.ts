import { createServer } from 'node:http'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { FastifyInstance, FastifyListenOptions, FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import type { Certificate } from './certificates.js'
import { temporaryFolder } from './temporary-folder.js'
import { Wire } from './wire.js'

/** A kind of server that an app may listen on. */
export interface Listener {
  options (certificate: Certificate): FastifyServerOptions
  tls?: true
  unix?: true
}

/** The kinds whose clients speak HTTP/1.1. */
export const listeners: Record<string, Listener> = {
  TCP: { options: () => ({}) },
  TLS: { options: ({ key, cert }) => ({ https: { key, cert } }) as FastifyServerOptions, tls: true },
  'a Unix socket': { options: () => ({}), unix: true },
  'HTTP/2 that allows HTTP/1.1': { options: ({ key, cert }) => ({ http2: true, https: { key, cert, allowHTTP1: true } }) as FastifyServerOptions, tls: true },
  'a serverFactory': { options: () => ({ serverFactory: handler => createServer(handler) }) }
}

/** A client's connection. */
export interface ClientConnection {
  client: Wire
  /** As the network has it; over TLS another one. */
  raw: Socket
}

/** Has an app listen, and gives what connects to it. */
export async function listenOn (t: Test, app: FastifyInstance, { tls, unix }: Listener): Promise<{ raw: () => Promise<Socket>, connect: () => Promise<ClientConnection> }> {
  const path = unix === true ? join(await temporaryFolder(t), 'socket') : undefined
  const where: FastifyListenOptions = path === undefined ? { port: 0, host: '127.0.0.1' } : { path }
  await app.listen(where)
  const raw = async (): Promise<Socket> => {
    const socket = connect(path === undefined ? { port: (app.server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true } : { path, allowHalfOpen: true })
    await once(socket, 'connect')
    return socket
  }
  return {
    raw,
    connect: async () => {
      const socket = await raw()
      if (tls !== true) return { client: new Wire(t, socket), raw: socket }
      const secure = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      await once(secure, 'secureConnect')
      return { client: new Wire(t, secure), raw: socket }
    }
  }
}
