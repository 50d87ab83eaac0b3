import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { TargetChange } from '../../src/index.js'
import { echoBackend, httpBackend, type Backend } from '../helpers/backends.js'
import { resources, startGateway, type RunningGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'

/** A port of loopback on which nothing listens. */
async function deadUrl (): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

async function end ({ server }: { server: Server }): Promise<void> {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
}

const get = async ({ port }: RunningGateway, init?: RequestInit): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${port}/`, init)
  await response.arrayBuffer()
  return response.status
}

const ok = (t: Parameters<typeof httpBackend>[0]): Promise<Backend> => httpBackend(t, (_request, response) => response.end())

const statusOf = (gateway: RunningGateway) => gateway.app.gateway.upstreams.get('main')!.targets

t.test('a target that cannot be connected to is ejected after three failures in a row, and comes back', async t => {
  const good = await ok(t)
  const dead = await deadUrl()
  const gateway = await startGateway(t, { targets: [good.url, dead], upstream: { passiveHealth: { ejectFor: 300 } } })
  const changes: TargetChange[] = []
  const published: unknown[] = []
  const listener = (message: unknown) => { published.push((message as { change: TargetChange }).change) }
  subscribe('sluice:target:change', listener)
  t.teardown(() => unsubscribe('sluice:target:change', listener))
  const stop = gateway.app.gateway.upstreams.onChange(change => changes.push(change))
  // The other one serves every one of them.
  for (let count = 0; count < 20; count++) t.equal(await get(gateway), 200)
  t.match(changes, [{ upstream: 'main', target: dead, state: 'ready', health: 'ejected', before: { state: 'ready', health: 'healthy' }, reason: /^3 failures in a row, the last one: .*ECONNREFUSED.*; ejected for \d+ ms$/ }])
  t.equal(changes.length, 1)
  t.same(published, changes)
  t.match(statusOf(gateway), [{ health: 'healthy', failures: 0, reason: undefined }, { health: 'ejected', failures: 3, reason: /ECONNREFUSED/ }])
  t.match(gateway.log.filter(({ msg }) => msg === 'target changed'), [{ level: 40, upstream: 'main', target: dead, health: 'ejected' }])
  t.equal(resources().timers, 0, 'its timer keeps no process alive')

  const back = Promise.race([new Promise<TargetChange>(resolve => gateway.app.gateway.upstreams.onChange(resolve))])
  t.match(await back, { target: dead, health: 'healthy', before: { health: 'ejected' }, reason: 'its ejection is over' })
  // One failure is enough now, and it is out for longer.
  for (let count = 0; count < 4; count++) t.equal(await get(gateway), 200)
  t.match(changes.at(-1), { target: dead, health: 'ejected', reason: /^3 failures/ })
  const times = changes.filter(({ health }) => health === 'ejected').map(({ reason }) => Number(/for (\d+) ms/.exec(reason!)![1]))
  t.ok(times[0]! >= 240 && times[0]! <= 360 && times[1]! >= 480 && times[1]! <= 720, times.join(', '))
  stop()
})

t.test('a target that answers again is forgiven', async t => {
  const good = await ok(t)
  let fails = 2
  const flaky = await httpBackend(t, (request, response) => {
    if (fails-- > 0) request.socket.destroy()
    else response.end()
  })
  const gateway = await startGateway(t, { targets: [good.url, flaky.url], upstream: { passiveHealth: { failures: 2, statuses: [500] } } })
  for (let count = 0; count < 30; count++) {
    if (count % 6 === 0) fails = 1
    await get(gateway)
  }
  t.match(statusOf(gateway), [{ health: 'healthy' }, { health: 'healthy' }])
})

t.test('the last one stays, and no more than half of the group goes', async t => {
  const dead = [await deadUrl(), await deadUrl(), await deadUrl(), await deadUrl()]
  const gateway = await startGateway(t, { targets: dead })
  for (let count = 0; count < 20; count++) t.equal(await get(gateway), 502)
  t.equal(statusOf(gateway).filter(({ health }) => health === 'ejected').length, 2)
  const single = await startGateway(t, { targets: [dead[0]!] })
  for (let count = 0; count < 20; count++) t.equal(await get(single), 502)
  t.match(statusOf(single), [{ health: 'healthy', failures: 20 }])
})

t.test('it is off where it is to be off', async t => {
  for (const passiveHealth of [false, { maxEjected: 0 }]) {
    const gateway = await startGateway(t, { targets: [(await ok(t)).url, await deadUrl()], upstream: { passiveHealth } })
    for (let count = 0; count < 20; count++) t.equal(await get(gateway), 200)
    t.match(statusOf(gateway), [{ health: 'healthy' }, { health: 'healthy', failures: 10 }])
  }
})

t.test('a target that breaks every new connection is ejected; one that closes kept-alive ones is not', async t => {
  const good = await ok(t)
  const resetting = await httpBackend(t, request => request.socket.destroy())
  const gateway = await startGateway(t, { targets: [good.url, resetting.url] })
  for (let count = 0; count < 8; count++) t.equal(await get(gateway), 200)
  t.match(statusOf(gateway), [{ health: 'healthy' }, { health: 'ejected', failures: 3 }])
  const served = new WeakSet()
  const closing = await httpBackend(t, (request, response) => {
    if (served.has(request.socket)) return request.socket.destroy()
    served.add(request.socket)
    response.end()
  })
  const other = await startGateway(t, { targets: [good.url, closing.url] })
  for (let count = 0; count < 20; count++) t.equal(await get(other), 200)
  t.match(statusOf(other), [{ health: 'healthy' }, { health: 'healthy', failures: 0 }])
})

t.test('timeouts of a response head and of a handshake count', async t => {
  const good = await echoBackend(t)
  for (const leg of ['request', 'handshake']) {
    const silent = await rawTarget(t)
    const gateway = await startGateway(t, {
      targets: [good.url, silent.url],
      upstream: { headersTimeout: 30, balance: 'round-robin' },
      route: { websocket: { handshakeTimeout: 30 } }
    })
    const url = `http://127.0.0.1:${gateway.port}`
    for (let count = 0; count < 6; count++) {
      if (leg === 'request') t.equal(await get(gateway), count % 2 === 0 ? 200 : 504)
      else if (count % 2 === 0) (await openSocket(url)).terminate()
      else t.equal((await refusal(url)).status, 504)
    }
    t.match(statusOf(gateway), [{ health: 'healthy' }, { health: 'ejected', failures: 3 }], leg)
  }
})

t.test('refusals of handshakes and error statuses do not count, unless asked', async t => {
  const good = await echoBackend(t)
  const refusing = await httpBackend(t, (_request, response) => response.writeHead(503).end())
  refusing.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'))
  const targets = [good.url, refusing.url]
  const gateway = await startGateway(t, { targets, upstream: { balance: 'round-robin' } })
  const url = `http://127.0.0.1:${gateway.port}`
  for (let count = 0; count < 20; count++) {
    t.equal(await get(gateway), count % 2 === 0 ? 200 : 503)
    if (count % 2 === 0) (await openSocket(url)).terminate()
    else t.equal((await refusal(url)).status, 403)
  }
  t.match(statusOf(gateway), [{ health: 'healthy' }, { health: 'healthy', failures: 0 }])
  const strict = await startGateway(t, { targets, upstream: { passiveHealth: { statuses: [503], failures: 2 } } })
  t.same([await get(strict), await get(strict), await get(strict), await get(strict), await get(strict), await get(strict)], [200, 503, 200, 503, 200, 200])
  t.match(statusOf(strict), [{}, { health: 'ejected', reason: /^2 failures in a row, the last one: it responded with 503; ejected/ }])
})

t.test('a client that leaves counts against no target', async t => {
  const silent = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [silent.url, (await ok(t)).url] })
  for (let count = 0; count < 8; count++) {
    if (count % 2 === 1) {
      t.equal(await get(gateway), 200)
      continue
    }
    const controller = new AbortController()
    const left = t.rejects(get(gateway, { signal: controller.signal }))
    const wire = await silent.next()
    await wire.head()
    controller.abort()
    await left
    await wire.over()
    wire.end()
  }
  t.match(statusOf(gateway)[0], { health: 'healthy', failures: 0 })
})

t.test('when all that are healthy fail, the ejected ones are tried', async t => {
  const [one, two] = [await ok(t), await ok(t)]
  const gateway = await startGateway(t, { targets: [one.url, two.url] })
  const { port } = one
  await end(one)
  for (let count = 0; count < 10; count++) t.equal(await get(gateway), 200)
  t.match(statusOf(gateway)[0], { health: 'ejected' })
  const again = createServer((_request, response) => response.end()).listen(port, '127.0.0.1')
  await once(again, 'listening')
  t.teardown(() => end({ server: again }))
  await end(two)
  t.equal(await get(gateway), 200)
})

for (const onUnhealthy of ['keep', 'drain', 'close'] as const) {
  t.test(`onUnhealthy: ${onUnhealthy}`, async t => {
    const [one, two] = [await echoBackend(t), await echoBackend(t)]
    const gateway = await startGateway(t, {
      targets: [one.url, two.url],
      upstream: { passiveHealth: { failures: 1, statuses: [500] } },
      plugin: { drainSpread: 40 },
      route: { websocket: { onUnhealthy } }
    })
    const url = `http://127.0.0.1:${gateway.port}`
    const sockets = [await openSocket(url), await openSocket(url), await openSocket(url), await openSocket(url)]
    one.server.removeAllListeners('request')
    one.server.on('request', (_request, response) => response.writeHead(500).end())
    const ends = Promise.race(sockets.map(closed))
    while (await get(gateway) !== 500);
    t.match(statusOf(gateway)[0], { health: 'ejected' })
    if (onUnhealthy === 'keep') {
      t.equal(gateway.app.gateway.sessions.size, 4)
    } else {
      t.same(await ends, { code: 1012, reason: '' })
      await gateway.ended(2)
      t.match(gateway.ends, [{ by: 'gateway', reason: 'unhealthy', code: 1012, target: one.url }, { by: 'gateway', reason: 'unhealthy', code: 1012, target: one.url }])
      t.equal(gateway.app.gateway.sessions.size, 2)
    }
    for (const socket of sockets) socket.terminate()
  })
}
