import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { WebSocketServer, type WebSocket } from 'ws'
import sluice from '../../src/index.js'

/** What a test needs to clean up after itself: `t.teardown`. */
export interface Teardown { teardown (fn: () => unknown): void }

/** A server on a free port of loopback. */
export interface Backend { url: string, port: number, server: Server }

/** Listens on loopback until the test is over. */
export async function listen (t: Teardown, server: Server): Promise<Backend> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, server }
}

/** An HTTP backend with the given listener. */
export function httpBackend (t: Teardown, listener: RequestListener): Promise<Backend> {
  return listen(t, createServer(listener))
}

/** What an echoing backend saw of a request. */
export interface Seen { method: string, url: string, rawHeaders: string[], headers: IncomingMessage['headers'], body: string }

/** A backend that answers with what it saw, and echoes every WebSocket message. */
export async function echoBackend (t: Teardown, onConnection?: (socket: WebSocket, request: IncomingMessage) => void): Promise<Backend & { sockets: WebSocketServer }> {
  const backend = await httpBackend(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const seen: Seen = {
        method: request.method!,
        url: request.url!,
        rawHeaders: request.rawHeaders,
        headers: request.headers,
        body: Buffer.concat(chunks).toString('latin1')
      }
      response.setHeader('content-type', 'application/json')
      const answer = JSON.stringify(seen)
      response.setHeader('content-length', Buffer.byteLength(answer))
      response.end(answer)
    })
  })
  const sockets = new WebSocketServer({ server: backend.server })
  sockets.on('connection', onConnection ?? (socket => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  }))
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  return { ...backend, sockets }
}

/** A Fastify app with the gateway, closed when the test is over. */
export async function gatewayApp (t: Teardown, options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(options)
  t.teardown(() => app.close())
  await app.register(sluice)
  return app
}
