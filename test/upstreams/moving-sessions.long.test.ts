import t from 'tap'
import type { WebSocket } from 'ws'
import { echoBackend } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'

t.test('1,000 sessions on two targets, a third is added: the next 500 all go there; in the end all counters are zero', async t => {
  const backends = [await echoBackend(t), await echoBackend(t), await echoBackend(t)]
  const urls = backends.map(({ url }) => url)
  const gateway = await startGateway(t, { targets: urls.slice(0, 2), fastify: { logger: false } })
  const upstream = gateway.app.gateway.upstreams.get('main')!
  const sockets: WebSocket[] = []
  const open = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 50) {
      sockets.push(...await Promise.all(Array.from({ length: 50 }, () => openSocket(`http://127.0.0.1:${gateway.port}`))))
    }
  }
  await open(1_000)
  t.same(upstream.targets.map(({ sessions }) => sessions), [500, 500])
  upstream.setTargets(urls)
  await open(500)
  t.same(upstream.targets.map(({ sessions }) => sessions), [500, 500, 500])
  const ends = sockets.map(closed)
  // Each way to end.
  for (const [index, socket] of sockets.entries()) {
    if (index % 5 === 0) socket.terminate()
    else if (index % 5 === 1) socket.close(1000)
    else if (index % 5 === 2) socket.close()
  }
  for (const { sockets } of backends) for (const [index, socket] of [...sockets.clients].entries()) if (index % 7 === 0) socket.terminate()
  for (const session of gateway.app.gateway.sessions.list()) session.close(1001)
  await Promise.all(ends)
  while (gateway.app.gateway.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
  t.match(upstream.targets, urls.map(() => ({ requests: 0, handshakes: 0, sessions: 0 })))
})

t.test('rebalance moves the surplus to a newcomer, politely', async t => {
  const backends = [await echoBackend(t), await echoBackend(t)]
  const urls = backends.map(({ url }) => url)
  const gateway = await startGateway(t, { targets: urls.slice(0, 1) })
  const url = `http://127.0.0.1:${gateway.port}`
  const upstream = gateway.app.gateway.upstreams.get('main')!
  const back: Array<Promise<WebSocket>> = []
  const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(url)))
  for (const socket of sockets) socket.once('close', code => { if (code === 1012) back.push(openSocket(url)) })
  upstream.setTargets(urls)
  t.equal(upstream.rebalance({ share: 0.4, spread: 20 }), 2)
  await gateway.ended(2)
  t.match(gateway.ends, [{ by: 'gateway', reason: 'rebalance', code: 1012 }, { by: 'gateway', reason: 'rebalance', code: 1012 }])
  while (back.length < 2) await new Promise(resolve => setImmediate(resolve))
  await Promise.all(back)
  t.same(upstream.targets.map(({ sessions }) => sessions), [8, 2])
  t.equal(upstream.rebalance({ spread: 0 }), 3)
  while (back.length < 5) await new Promise(resolve => setImmediate(resolve))
  await Promise.all(back)
  t.same(upstream.targets.map(({ sessions }) => sessions), [5, 5])
  t.equal(upstream.rebalance(), 0)
  upstream.setTarget(urls[0]!, { weight: 4 })
  t.equal(upstream.rebalance({ share: 0 }), 0)
  for (const state of ['drain', 'maintenance'] as const) for (const target of urls) upstream.setTarget(target, { state })
  t.equal(upstream.rebalance(), 0)
  t.throws(() => upstream.rebalance({ share: 2 }), { code: 'SLUICE_OPTIONS_INVALID', message: /option 'share': must be a number of at most 1, got 2/ })
  for (const socket of [...sockets, ...await Promise.all(back)]) socket.terminate()
})

t.test('maintenance takes a target out of service: its sessions end as if it had been removed', async t => {
  const backends = [await echoBackend(t), await echoBackend(t)]
  const gateway = await startGateway(t, { targets: backends.map(({ url }) => url), route: { websocket: { onRemoved: 'close' } } })
  const url = `http://127.0.0.1:${gateway.port}`
  const upstream = gateway.app.gateway.upstreams.get('main')!
  const sockets = [await openSocket(url), await openSocket(url)]
  const end = Promise.race(sockets.map(closed))
  const { since } = upstream.targets[0]!
  upstream.setTarget(backends[0]!.url, { state: 'maintenance' })
  t.same(await end, { code: 1012, reason: '' })
  t.match(upstream.targets, [{ state: 'maintenance', health: 'healthy', reason: "set to 'maintenance'" }, { state: 'ready' }])
  t.ok(upstream.targets[0]!.since >= since)
  await gateway.ended()
  t.match(gateway.ends, [{ reason: 'removed', target: backends[0]!.url }])
  for (let count = 0; count < 3; count++) (await openSocket(url)).terminate()
  upstream.setTarget(backends[1]!.url, { state: 'drain' })
  t.match(await refusal(url), { status: 503, headers: { 'retry-after': String } })
  const response = await fetch(url)
  t.equal(response.status, 503)
  t.ok(response.headers.get('retry-after'))
  for (const socket of sockets) socket.terminate()
})

t.test('a handshake under way to a target that goes into maintenance opens a session that ends at once', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { onRemoved: 'close', closeTimeout: 50 } } })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  const request = await server.head()
  gateway.app.gateway.upstreams.get('main')!.setTarget(target.url, { state: 'maintenance' })
  server.write(goodResponse(request))
  t.match(await client.head(), { start: 'HTTP/1.1 101 Switching Protocols' })
  await gateway.ended()
  t.match(gateway.ends, [{ by: 'gateway', reason: 'removed', code: 1012 }])
})

t.test('a target that is added starts slowly where that is asked for, and never at the start', async t => {
  const backends = await Promise.all([0, 1].map(() => echoBackend(t)))
  const urls = backends.map(({ url }) => url)
  const gateway = await startGateway(t, { targets: urls.slice(0, 1), upstream: { slowStart: 600_000, balance: 'round-robin' } })
  const served = async (count: number): Promise<number> => {
    const before = backends[1]!.sockets.clients.size
    const sockets = await Promise.all(Array.from({ length: count }, () => openSocket(`http://127.0.0.1:${gateway.port}`)))
    const there = backends[1]!.sockets.clients.size - before
    for (const socket of sockets) socket.terminate()
    return there
  }
  gateway.app.gateway.upstreams.get('main')!.setTargets(urls)
  // A tenth of a weight against a whole one.
  t.equal(await served(22), 2)
  const fresh = await startGateway(t, { targets: urls, upstream: { slowStart: 600_000, balance: 'round-robin' } })
  const sockets = await Promise.all(Array.from({ length: 10 }, () => openSocket(`http://127.0.0.1:${fresh.port}`)))
  t.same(fresh.app.gateway.upstreams.get('main')!.targets.map(({ sessions }) => sessions), [5, 5])
  for (const socket of sockets) socket.terminate()
})
