import { once } from 'node:events'
import { createServer, type Server as HttpsServer } from 'node:https'
import type { IncomingMessage, Server } from 'node:http'
import original from '@fastify/http-proxy'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import httpProxy from '../../src/http-proxy/index.js'
import sluice from '../../src/index.js'
import { httpBackend, listen, type Backend, type Teardown } from './backends.js'

/** Any options, also those that the types do not know. */
export type AnyOptions = Record<string, unknown>

/** A target that echoes, over WebSockets and HTTP, and keeps the handshakes that it has seen. */
export interface WatchedTarget extends Backend { seen: IncomingMessage[], sockets: WebSocketServer }

export async function watchedTarget (t: Teardown, options: { cert?: string, key?: string, server?: object } = {}): Promise<WatchedTarget> {
  const backend = options.cert === undefined
    ? await httpBackend(t, (request, response) => response.end(`${request.method} ${request.url}`))
    : await listen(t, createServer({ cert: options.cert, key: options.key }, (request, response) => response.end(`${request.method} ${request.url}`)) as HttpsServer as unknown as Server)
  const sockets = new WebSocketServer({ server: backend.server, ...options.server })
  const seen: IncomingMessage[] = []
  sockets.on('connection', (socket, request) => {
    seen.push(request)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  return { ...backend, url: options.cert === undefined ? backend.url : backend.url.replace('http', 'https'), seen, sockets }
}

export interface ProxySettings {
  /** With a gateway of the app before it, or with its own. Default: its own. */
  gateway?: boolean
  /** The original in its place. */
  original?: boolean
  fastify?: FastifyServerOptions
  before? (app: FastifyInstance): unknown
  after? (app: FastifyInstance): unknown
}

/** An app with one or more registrations of the plugin. */
export async function proxyApp (t: Teardown, options: AnyOptions | AnyOptions[], { gateway = false, original: isOriginal = false, fastify = {}, before, after }: ProxySettings = {}): Promise<{ app: FastifyInstance, url: string, port: number }> {
  const app = Fastify(fastify) as FastifyInstance
  t.teardown(() => app.close())
  await before?.(app)
  if (gateway) await app.register(sluice)
  for (const one of [options].flat()) app.register((isOriginal ? original : httpProxy) as typeof httpProxy, one as never)
  await after?.(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, url, port: Number(new URL(url).port) }
}

/** What becomes of a handshake: the status, and an open socket where it is 101. */
export async function tryHandshake (t: Teardown, url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<{ status: number, body: string, headers: IncomingMessage['headers'], socket: WebSocket }> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, options)
  t.teardown(() => socket.terminate())
  socket.on('error', () => {})
  const upgraded = once(socket, 'upgrade') as Promise<[IncomingMessage]>
  const refused = once(socket, 'unexpected-response') as Promise<[unknown, IncomingMessage]>
  const accepted = await Promise.race([upgraded.then(([response]) => response), refused.then(() => undefined)])
  if (accepted !== undefined) {
    if (socket.readyState === WebSocket.CONNECTING) await once(socket, 'open')
    return { status: 101, body: '', headers: accepted.headers, socket }
  }
  const [, response] = await refused
  response.setEncoding('utf8')
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, body, headers: response.headers, socket }
}

/** Sends a message and gives the next one. */
export async function echoed (socket: WebSocket, text = 'hello'): Promise<string> {
  socket.send(text)
  const [data] = await once(socket, 'message') as [Buffer]
  return data.toString()
}

/** The error of a registration. */
export async function registrationError (options: AnyOptions): Promise<{ code: string, message: string } | undefined> {
  const app = Fastify()
  try {
    await app.register(httpProxy, options as never)
    await app.ready()
    return undefined
  } catch (error) {
    return error as { code: string, message: string }
  } finally {
    await app.close()
  }
}
