import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import fastifyWebSocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket, type ServerOptions } from 'ws'
import { selfSigned } from '../helpers/certificates.js'
import { openSocket } from '../helpers/sockets.js'
import sluice, { type ProxyRouteOptions, type SessionEnd } from '../../src/index.js'

// Issue 12: app.injectWS() of @fastify/websocket failed on every route beside the gateway.

interface Injected { app: FastifyInstance, server: WebSocketServer, end: Promise<SessionEnd> }

async function injected (t: Test, order: 'before' | 'after', route: Partial<ProxyRouteOptions> = {}, options: ServerOptions = {}): Promise<Injected> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const app = Fastify()
  t.teardown(() => app.close())
  if (order === 'before') await app.register(fastifyWebSocket)
  await app.register(sluice)
  if (order === 'after') await app.register(fastifyWebSocket)
  const ended = withResolvers<SessionEnd>()
  app.proxy('/proxied/*', {
    upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    websocket: { closeTimeout: 500, onSessionEnd: (_, end) => ended.resolve(end) },
    ...route
  })
  await app.register(async scope => { scope.get('/own', { websocket: true }, socket => { socket.send('own') }) })
  await app.ready()
  return { app, server, end: ended.promise }
}

function withResolvers<Value> (): { promise: Promise<Value>, resolve: (value: Value) => void } {
  let resolve!: (value: Value) => void
  return { promise: new Promise<Value>(_resolve => { resolve = _resolve }), resolve }
}

/** A client that has what it is sent at once. */
async function open (app: FastifyInstance, path: string, context = {}): Promise<{ socket: WebSocket, first: Promise<string> }> {
  let first!: Promise<string>
  const socket = await app.injectWS(path, context, { onInit: socket => { first = once(socket, 'message').then(([data]) => String(data)) } })
  return { socket: socket as unknown as WebSocket, first }
}

for (const order of ['before', 'after'] as const) {
  t.test(`@fastify/websocket is registered ${order} the gateway`, async t => {
    t.test('messages pass both ways, the first of the target included', async t => {
      const { app, server, end } = await injected(t, order)
      server.on('connection', (socket, request) => {
        socket.send(`hello ${request.url} ${request.headers['x-of-client']} ${request.headers.host}`)
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
      })
      const { socket, first } = await open(app, '/proxied/a?b', { headers: { 'x-of-client': 'yes' } })
      t.equal(await first, 'hello /proxied/a?b yes localhost:80')
      for (const text of ['x', 'y'.repeat(70_000)]) {
        const echo = once(socket, 'message')
        socket.send(text)
        t.equal(String((await echo)[0]), text)
      }
      const gone = once(server.clients.values().next().value!, 'close')
      socket.close(4001, 'enough')
      t.match((await gone).map(String), ['4001', 'enough'])
      t.match(await end, { by: 'client', code: 4001 })
    })

    t.test('the close of the target arrives', async t => {
      const { app, server, end } = await injected(t, order)
      server.on('connection', socket => socket.close(4002, 'not today'))
      const closed = withResolvers<unknown[]>()
      await app.injectWS('/proxied/a', {}, { onInit: socket => { socket.once('close', (...args: unknown[]) => closed.resolve(args)) } })
      t.match((await closed.promise).map(String), ['4002', 'not today'])
      t.match(await end, { by: 'target', code: 4002 })
    })

    t.test('the subprotocol of the client goes on', async t => {
      const { app, server } = await injected(t, order)
      const connected = once(server, 'connection')
      const { socket } = await open(app, '/proxied/a', { headers: { 'sec-websocket-protocol': 'chat, other' } })
      const [, request] = await connected
      t.equal(request.headers['sec-websocket-protocol'], 'chat, other')
      socket.terminate()
    })

    t.test('a refusal has its status', async t => {
      const { app } = await injected(t, order, {}, { verifyClient: (_, done) => { done(false, 403) } })
      await t.rejects(app.injectWS('/proxied/a'), { message: 'Unexpected server response: 403' })
    })

    t.test('hooks hold, and see the address that is given', async t => {
      const { app } = await injected(t, order, {
        onRequest: async ({ ip }, reply) => { if (ip !== '10.1.2.3') await reply.code(401).send() }
      })
      await t.rejects(app.injectWS('/proxied/a'), { message: 'Unexpected server response: 401' })
      const { socket } = await open(app, '/proxied/a', { socket: { remoteAddress: '10.1.2.3' } })
      socket.terminate()
    })

    t.test('routes of @fastify/websocket are served, too', async t => {
      const { app } = await injected(t, order)
      const { socket, first } = await open(app, '/own')
      t.equal(await first, 'own')
      socket.terminate()
    })

    t.test('the end of the app drains', async t => {
      const { app } = await injected(t, order)
      const { socket } = await open(app, '/proxied/a')
      const closed = once(socket, 'close')
      await app.close()
      t.equal((await closed)[0], 1012)
    })
  })
}

t.test('over TLS, a session outlives the response to its handshake, beside @fastify/websocket', async t => {
  const { server } = await injected(t, 'before')
  server.on('connection', socket => socket.on('message', data => socket.send(String(data))))
  const app = Fastify({ https: await selfSigned(t, 'IP:127.0.0.1') })
  t.teardown(() => app.close() as unknown as Promise<void>)
  await app.register(fastifyWebSocket)
  await app.register(sluice)
  app.proxy('/*', { upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, websocket: true })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = await openSocket(address, [], { rejectUnauthorized: false })
  const echo = once(socket, 'message')
  socket.send('still there')
  t.equal(String((await echo)[0]), 'still there')
  socket.terminate()
})
