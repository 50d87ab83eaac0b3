import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import type { GatewayConfig, WebSocketConfig } from '../../src/options/index.js'
import { metrics } from '../../src/observers/metrics.js'
import { createGateway, type CreateGatewayOptions, type GatewayServer } from '../../src/service/gateway.js'
import { echoBackend } from '../helpers/backends.js'
import { collectGarbage } from '../helpers/memory.js'
import { samplesOf } from '../helpers/metrics.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'

/* What operators do to targets and routes whose sessions have `reconnect`. */

const websocket: WebSocketConfig = { reconnect: { delay: 10 } }

async function start (t: Test, given: GatewayConfig, options: CreateGatewayOptions = {}): Promise<{ gateway: GatewayServer, url: string, config: GatewayConfig }> {
  const config = { listen: { port: 0 }, drainSpread: 0, ...given }
  const gateway = createGateway(config, { logger: false, ...options })
  t.teardown(() => gateway.close())
  return { gateway, url: await gateway.listen(), config }
}

/** Resolves when all sessions are on this target. */
async function allOn (gateway: GatewayServer, target: string): Promise<void> {
  while (!gateway.app.gateway.sessions.list().every(session => session.target === target)) await pause(1)
}

async function echoes (t: Test, socket: WebSocket): Promise<void> {
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
}

t.test('a reload that replaces a target moves its sessions', async t => {
  const [first, second] = [await echoBackend(t), await echoBackend(t)]
  const route = { url: '/*', upstream: 'app', websocket }
  const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [first.url] } }, routes: [route] })
  const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(url)))
  await gateway.reload({ ...config, upstreams: { app: { targets: [second.url] } } })
  for (const socket of sockets) socket.send('hello')
  await Promise.all(sockets.map(nextMessage))
  await allOn(gateway, second.url)
  t.ok(gateway.app.gateway.sessions.list().every(({ reconnects }) => reconnects === 1))
  t.equal(gateway.upstreams.get('app')!.load.sessions, 10)
  t.ok(first.sockets.clients.size <= 10)
})

t.test('a reload that gives the route another upstream moves its sessions there; what is counted of them stays where it was', async t => {
  const [blue, green] = [await echoBackend(t), await echoBackend(t)]
  const upstreams = { blue: { targets: [blue.url] }, green: { targets: [green.url] } }
  const { gateway, url, config } = await start(t, { upstreams, routes: [{ url: '/*', upstream: 'blue', websocket }] })
  const read = async (): Promise<ReturnType<typeof samplesOf>> => samplesOf(await metrics(() => gateway.app.gateway, { process: false }).metrics())
  const socket = await openSocket(url)
  await echoes(t, socket)
  await gateway.reload({ ...config, routes: [{ url: '/*', upstream: 'green', websocket }] })
  await echoes(t, socket)
  await allOn(gateway, green.url)
  t.match(gateway.app.gateway.sessions.list(), [{ upstream: 'green', target: green.url, reconnects: 1 }])
  t.equal(gateway.upstreams.get('green')!.load.sessions, 1)
  const during = await read()
  t.equal(during.value('sluice_websocket_sessions', { upstream: 'blue' }), 1)
  t.equal(during.value('sluice_websocket_messages_total', { upstream: 'blue', direction: 'client_to_target' }), 2)
  t.equal(during.value('sluice_websocket_reconnects_total', { outcome: 'succeeded' }), 1)
  // It can be drained there, too.
  gateway.upstreams.get('green')!.setTargets([green.url, blue.url])
  gateway.upstreams.get('green')!.setTarget(green.url, { state: 'drain' })
  await echoes(t, socket)
  await allOn(gateway, blue.url)
  const ended = new Promise<void>(resolve => { gateway.app.gateway.observe({ onEnd: () => resolve() }) })
  socket.close()
  await ended
  const after = await read()
  t.equal(after.value('sluice_websocket_sessions', { upstream: 'blue' }), 0)
  t.equal(after.value('sluice_websocket_sessions', { upstream: 'green' }), undefined)
})

t.test('a reload that removes the route ends its sessions with 1012 at once, those without a target, too', async t => {
  const { url: target, sockets: atTarget, server } = await echoBackend(t)
  const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [target] } }, routes: [{ url: '/*', upstream: 'app', websocket: { reconnect: { delay: 60_000, maxDelay: 60_000 } } }] })
  const connected = await openSocket(url)
  await gateway.reload({ ...config, routes: [] })
  t.equal((await closed(connected)).code, 1012)
  await gateway.reload(config)
  const lost = await openSocket(url)
  server.close()
  for (const socket of atTarget.clients) socket.terminate()
  while (gateway.upstreams.get('app')!.load.sessions > 0) await pause(1)
  const begun = performance.now()
  await gateway.reload({ ...config, routes: [] })
  t.equal((await closed(lost)).code, 1012)
  t.ok(performance.now() - begun < 3_000)
})

t.test('sessions that wait for their target, and a reload that finds it another', async t => {
  const [first, second] = [await echoBackend(t), await echoBackend(t)]
  const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [first.url] } }, routes: [{ url: '/*', upstream: 'app', websocket: { reconnect: { delay: 200, maxDelay: 200, attempts: 100 } } }] })
  const socket = await openSocket(url)
  first.server.close()
  for (const client of first.sockets.clients) client.terminate()
  while (gateway.upstreams.get('app')!.load.sessions > 0) await pause(1)
  socket.send('kept')
  await gateway.reload({ ...config, upstreams: { app: { targets: [second.url] } } })
  t.equal(await nextMessage(socket), 'kept')
})

t.test('checks that find a target to be down move its sessions, where the route says onUnhealthy: drain', async t => {
  const second = await echoBackend(t)
  let isDown = false
  const backend = await echoBackend(t)
  const [listener] = backend.server.listeners('request') as Array<(...args: unknown[]) => void>
  backend.server.removeAllListeners('request').on('request', (request, response) => {
    if (request.url === '/health' && isDown) response.writeHead(500).end()
    else listener!(request, response)
  })
  const upstreams = { app: { targets: [backend.url, { url: second.url, priority: 1 }], health: { path: '/health', interval: 50, fall: 1 } } }
  const { gateway, url } = await start(t, { upstreams, routes: [{ url: '/*', upstream: 'app', websocket: { ...websocket, onUnhealthy: 'drain' } }] })
  const socket = await openSocket(url)
  await echoes(t, socket)
  t.equal(gateway.app.gateway.sessions.list()[0]!.target, backend.url)
  isDown = true
  await allOn(gateway, second.url)
  await echoes(t, socket)
})

t.test('rebalance() moves sessions to a target that was added, and no further than that', async t => {
  const [first, second] = [await echoBackend(t), await echoBackend(t)]
  const { gateway, url } = await start(t, { upstreams: { app: { targets: [first.url] } }, routes: [{ url: '/*', upstream: 'app', websocket }] })
  const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(url)))
  const upstream = gateway.upstreams.get('app')!
  upstream.setTargets([first.url, second.url])
  t.equal(upstream.rebalance({ spread: 0 }), 5)
  for (const socket of sockets) socket.send('hello')
  await Promise.all(sockets.map(nextMessage))
  while (gateway.app.gateway.sessions.list().filter(({ reconnects }) => reconnects > 0).length < 5) await pause(1)
  t.same(upstream.targets.map(({ sessions }) => sessions), [5, 5])
})

t.test('maxSessions: those that lose their target wait their turn at the other, and none is lost', async t => {
  const [first, second] = [await echoBackend(t), await echoBackend(t)]
  const { gateway, url } = await start(t, { upstreams: { app: { targets: [first.url, second.url], maxSessions: 5, queueTimeout: 60_000 } }, routes: [{ url: '/*', upstream: 'app', websocket: { reconnect: { delay: 10, attempts: 100, maxDelay: 100 } } }] })
  const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(url)))
  first.server.close()
  for (const client of first.sockets.clients) client.terminate()
  const upstream = gateway.upstreams.get('app')!
  while (upstream.load.waiting < 5) await pause(1)
  t.match(upstream.load, { sessions: 5, waiting: 5 })
  const there = [...gateway.app.gateway.sessions.list()].filter(({ target, reconnects }) => target === second.url && reconnects === 0)
  for (const session of there.slice(0, 3)) session.close(4000)
  while (gateway.app.gateway.sessions.list().filter(({ reconnects }) => reconnects === 1).length < 3) await pause(1)
  t.match(upstream.load, { sessions: 5, waiting: 2 })
  t.equal(sockets.length, 10)
})

t.test('a session keeps no generation in memory, whatever became of its target', async t => {
  for (const reconnects of [true, false]) {
    const target = await echoBackend(t)
    const apps: Array<WeakRef<FastifyInstance>> = []
    const setup = (app: FastifyInstance): void => { apps.push(new WeakRef(app)) }
    const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [target.url] } }, routes: [{ url: '/*', upstream: 'app', websocket: reconnects ? websocket : true }] }, { setup })
    const socket = await openSocket(url)
    await echoes(t, socket)
    for (let count = 0; count < 3; count++) {
      await gateway.reload({ ...config, drainSpread: count + 1 })
      if (reconnects) for (const client of target.sockets.clients) client.terminate()
      const wanted = reconnects ? count + 1 : 0
      while (gateway.app.gateway.sessions.list()[0]!.reconnects < wanted) await pause(1)
      await echoes(t, socket)
    }
    for (let round = 0; round < 100 && apps.slice(0, 3).some(app => app.deref() !== undefined); round++) {
      await pause(20)
      collectGarbage()
    }
    t.same(apps.map(app => app.deref() !== undefined), [false, false, false, true])
    const over = once(socket, 'close')
    socket.terminate()
    await over
  }
})
