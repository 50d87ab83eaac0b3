import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import fastifyHttpProxy from '@fastify/http-proxy'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { Server as SocketIoServer } from 'socket.io'
import { io } from 'socket.io-client'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import sluice from '../../src/index.js'
import { echoBackend, type Backend, type Seen, type Teardown } from '../helpers/backends.js'
import { closed, nextMessage, openSocket, rawExchange, refusal } from '../helpers/sockets.js'

/*
 * The gateway beside what an app already has. Each neighbour is registered before and after it, and each
 * pair of neighbours together.
 */

type Part = (app: FastifyInstance, backend: Backend) => Promise<void>

const gateway: Part = async (app, backend) => {
  await app.register(sluice)
  app.upstream('app', { targets: [backend.url] })
}
const routes: Part = async app => {
  app.proxy('/through/*', { upstream: 'app', websocket: true })
  app.proxy('/plain/*', { upstream: 'app' })
}
const websocketPlugin: Part = async app => {
  await app.register(fastifyWebsocket)
  app.register(async scope => {
    scope.get('/own', { websocket: true }, socket => { socket.on('message', data => socket.send(`own ${String(data)}`)) })
    scope.get('/page', () => 'page')
  })
}
const httpProxy: Part = async (app, backend) => {
  await app.register(fastifyHttpProxy, { upstream: backend.url, prefix: '/neighbour' })
}
const httpProxyOptedIn: Part = async (app, backend) => {
  await app.register(fastifyHttpProxy, {
    upstream: backend.url,
    prefix: '/opted',
    config: { passthrough: { upstream: 'app', stripPrefix: '/opted' } }
  })
}
const socketIo: Part = async app => {
  const server = new SocketIoServer(app.server)
  server.on('connection', socket => { socket.on('say', (text: string) => socket.emit('said', text)) })
  app.addHook('preClose', async () => { server.disconnectSockets(true) })
}

async function start (t: Teardown, parts: Part[]): Promise<{ address: string, port: number, app: FastifyInstance }> {
  const backend = await echoBackend(t)
  const app = Fastify()
  t.teardown(() => app.close())
  for (const part of parts) await part(app, backend)
  const address = await app.listen({ port: 0 })
  return { address, port: Number(new URL(address).port), app }
}

async function echoes (t: Test, url: string, prefix = ''): Promise<void> {
  const socket = await openSocket(url)
  socket.send('hello')
  t.equal(await nextMessage(socket), `${prefix}hello`, url.replace(/.*\d\//, '/'))
  socket.close()
  await closed(socket)
}

async function socketIoWorks (t: Test, address: string, transports: string[]): Promise<void> {
  const socket = io(address, { transports, reconnection: false, forceNew: true })
  t.teardown(() => { socket.close() })
  const said = once({ addEventListener: undefined, on: socket.on.bind(socket), once: socket.once.bind(socket), removeListener: socket.off.bind(socket) } as never, 'said')
  const upgraded = transports.length === 1
    ? undefined
    : new Promise<void>((resolve, reject) => {
      socket.on('connect', () => {
        if (socket.io.engine.transport.name === 'websocket') resolve()
        socket.io.engine.once('upgrade', () => resolve())
        socket.io.engine.once('upgradeError', reject)
      })
    })
  socket.on('connect', () => socket.emit('say', 'hi'))
  t.same(await said, ['hi'], `socket.io by ${transports.join(', then ')}`)
  await upgraded
}

/** What the gateway's own routes do, whoever is beside them. */
async function gatewayWorks (t: Test, address: string, port: number): Promise<void> {
  await echoes(t, `${address}/through/x`)
  t.equal((await (await fetch(`${address}/through/x`)).json() as Seen).url, '/through/x')
  const plain = await refusal(`${address}/plain/x`)
  t.equal(plain.status, 200, 'a route without websocket answers an upgrade as ordinary HTTP')
  t.equal((JSON.parse(plain.body) as Seen).headers.upgrade, undefined)
  const h2c = await rawExchange(port, [
    'POST /through/h2c HTTP/1.1', 'Host: x', 'Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA', 'Content-Length: 4', '', 'body'].join('\r\n'))
  const seen = JSON.parse(h2c.slice(h2c.indexOf('{'), h2c.lastIndexOf('}') + 1)) as Seen
  t.equal(seen.body, 'body', 'h2c is served as HTTP, with its body')
  t.same([seen.headers.upgrade, seen.headers['http2-settings']], [undefined, undefined])
}

async function websocketPluginWorks (t: Test, address: string): Promise<void> {
  await echoes(t, `${address}/own`, 'own ')
  t.equal(await (await fetch(`${address}/page`)).text(), 'page')
}

async function httpProxyWorks (t: Test, address: string): Promise<void> {
  t.equal((await (await fetch(`${address}/neighbour/x`)).json() as Seen).url, '/x')
}

async function optedInWorks (t: Test, address: string): Promise<void> {
  t.equal((await (await fetch(`${address}/opted/x`)).json() as Seen).url, '/x', 'HTTP through @fastify/http-proxy, as before')
  await echoes(t, `${address}/opted/x`)
}

const orders: Record<string, Part[]> = {
  '@fastify/websocket before the gateway': [websocketPlugin, gateway, routes],
  '@fastify/websocket between the gateway and its routes': [gateway, websocketPlugin, routes],
  '@fastify/websocket after the gateway': [gateway, routes, websocketPlugin]
}
for (const [name, parts] of Object.entries(orders)) {
  t.test(`bug: ${name}, a handshake on no route was never responded to`, async t => {
    const { address } = await start(t, parts)
    t.equal((await refusal(`${address}/nowhere`)).status, 404)
  })
}

for (const [name, parts] of Object.entries(orders)) {
  t.test(name, async t => {
    const { address, port } = await start(t, parts)
    await gatewayWorks(t, address, port)
    await websocketPluginWorks(t, address)
  })
}

for (const [name, parts] of Object.entries({
  '@fastify/http-proxy before the gateway': [httpProxy, gateway, routes],
  '@fastify/http-proxy after the gateway': [gateway, routes, httpProxy]
})) {
  t.test(name, async t => {
    const { address, port } = await start(t, parts)
    await gatewayWorks(t, address, port)
    await httpProxyWorks(t, address)
    t.equal((await refusal(`${address}/neighbour/x`)).status, 200, 'not opted in, an upgrade is HTTP to it')
  })
}

for (const [name, parts] of Object.entries({
  'a route of @fastify/http-proxy opts in': [gateway, httpProxyOptedIn, routes],
  'a route of @fastify/http-proxy opts in before the gateway': [httpProxyOptedIn, gateway, routes],
  'a route of @fastify/http-proxy opts in before the gateway, @fastify/websocket before both': [websocketPlugin, httpProxyOptedIn, gateway, routes],
  'a route of @fastify/http-proxy opts in before the gateway, @fastify/websocket between': [httpProxyOptedIn, websocketPlugin, gateway, routes],
  'a route of @fastify/http-proxy opts in, @fastify/websocket before the gateway': [websocketPlugin, gateway, httpProxyOptedIn, routes],
  'a route of @fastify/http-proxy opts in, @fastify/websocket before it': [gateway, websocketPlugin, httpProxyOptedIn, routes],
  'a route of @fastify/http-proxy opts in, @fastify/websocket after it': [gateway, httpProxyOptedIn, routes, websocketPlugin]
})) {
  t.test(name, async t => {
    const { address, port } = await start(t, parts)
    await gatewayWorks(t, address, port)
    await optedInWorks(t, address)
    if (parts.includes(websocketPlugin)) await websocketPluginWorks(t, address)
  })
}

for (const [name, parts] of Object.entries({
  'socket.io before the gateway': [socketIo, gateway, routes],
  'socket.io after the gateway': [gateway, routes, socketIo],
  // In the other order these two break each other, with or without a gateway: @fastify/websocket answers for every path.
  'socket.io and @fastify/websocket before the gateway': [socketIo, websocketPlugin, gateway, routes],
  'socket.io and @fastify/websocket after the gateway': [gateway, routes, socketIo, websocketPlugin]
})) {
  t.test(name, async t => {
    const { address, port } = await start(t, parts)
    await gatewayWorks(t, address, port)
    await socketIoWorks(t, address, ['websocket'])
    await socketIoWorks(t, address, ['polling', 'websocket'])
    if (parts.includes(websocketPlugin)) await websocketPluginWorks(t, address)
  })
}

t.test('socket.io keeps its own path beside a route for everything', async t => {
  const catchAll: Part = async app => { app.proxy('/*', { upstream: 'app', websocket: true }) }
  for (const parts of [[socketIo, gateway, catchAll], [gateway, catchAll, socketIo]]) {
    const { address } = await start(t, parts)
    await socketIoWorks(t, address, ['websocket'])
    await socketIoWorks(t, address, ['polling', 'websocket'])
    await echoes(t, `${address}/anything`)
  }
})

t.test('socket.io with an async allowRequest keeps its path too', async t => {
  const slowSocketIo: Part = async app => {
    const server = new SocketIoServer(app.server, { allowRequest: (_request, allow) => { setImmediate(() => allow(null, true)) } })
    server.on('connection', socket => { socket.on('say', (text: string) => socket.emit('said', text)) })
    app.addHook('preClose', async () => { server.disconnectSockets(true) })
  }
  const catchAll: Part = async app => { app.proxy('/*', { upstream: 'app', websocket: true }) }
  const { address } = await start(t, [gateway, catchAll, slowSocketIo])
  await socketIoWorks(t, address, ['websocket'])
})

t.test('socket.io does not end a handshake whose target takes its time', async t => {
  // engine.io ends a socket that is not its own after destroyUpgradeTimeout.
  const impatient: Part = async app => {
    const server = new SocketIoServer(app.server, { destroyUpgradeTimeout: 1 })
    app.addHook('preClose', async () => { server.disconnectSockets(true) })
  }
  let answer: (() => void) | undefined
  const { address } = await start(t, [gateway, impatient, async app => {
    app.proxy('/*', {
      upstream: 'app',
      websocket: true,
      // Longer than engine.io waits: the time is what is tested.
      preHandler: () => new Promise<void>(resolve => { answer = resolve; setTimeout(() => answer!(), 50) })
    })
  }])
  await echoes(t, `${address}/slow`)
})

t.test('an upgrade that no route knows is left to a listener that answers late', async t => {
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('connection', socket => { socket.on('message', data => socket.send(`late ${String(data)}`)) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  const late: Part = async app => {
    app.server.on('upgrade', (request, socket, head) => {
      if (request.url !== '/late') return
      setImmediate(() => sockets.handleUpgrade(request, socket, head, open => { sockets.emit('connection', open, request) }))
    })
  }
  for (const parts of [[late, gateway, routes], [gateway, routes, late]]) {
    const { address } = await start(t, parts)
    await echoes(t, `${address}/late`, 'late ')
    await echoes(t, `${address}/through/x`)
  }
})

t.test('ignoreUpgrade names what belongs to a listener that answers late, on a path that a route matches', async t => {
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('connection', socket => { socket.on('message', data => socket.send(`late ${String(data)}`)) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  const { address } = await start(t, [
    async (app, backend) => {
      await app.register(sluice, { ignoreUpgrade: request => request.url === '/late' })
      app.upstream('app', { targets: [backend.url] })
      app.proxy('/*', { upstream: 'app', websocket: true })
      app.server.on('upgrade', (request, socket, head) => {
        if (request.url !== '/late') return
        setImmediate(() => sockets.handleUpgrade(request, socket, head, open => { sockets.emit('connection', open, request) }))
      })
    }
  ])
  await echoes(t, `${address}/late`, 'late ')
  await echoes(t, `${address}/other`)
})

t.test('close() with open WebSockets of the gateway and of its neighbours ends in bounded time', async t => {
  const { address, app } = await start(t, [gateway, websocketPlugin, routes])
  const through = await openSocket(`${address}/through/x`)
  const own = await openSocket(`${address}/own`)
  const ends = Promise.all([closed(through), closed(own)])
  await app.close()
  const [ours] = await ends
  t.equal(ours.code, 1012)
})

t.test('localhost, where Fastify listens twice', async t => {
  const backend = await echoBackend(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await gateway(app, backend)
  await routes(app, backend)
  await app.listen({ host: 'localhost', port: 0 })
  for (const { address, family, port } of app.addresses() as AddressInfo[]) {
    await echoes(t, `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/through/x`)
  }
})
