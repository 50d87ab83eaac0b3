import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { ProxyRouteOptions, UpstreamOptions } from '../../src/index.js'
import { echoBackend, gatewayApp } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { blackHole, rawTarget, refusingPort } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

/** A target that does as told with each request's first bytes; `requests` counts them. */
async function target (t: Test, serve: (socket: Socket, request: number) => void): Promise<{ url: string, requests: number }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => serve(socket, ++counted.requests))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const counted = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests: 0 }
  return counted
}

const answer = (socket: Socket) => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') }
const reset = (socket: Socket) => { socket.resetAndDestroy() }

async function through (t: Test, targets: string[], options: Partial<UpstreamOptions> = {}, route: Partial<ProxyRouteOptions> = {}): Promise<string> {
  const app = await gatewayApp(t)
  app.upstream('app', { ...options, targets })
  app.proxy('/*', { ...route, upstream: 'app' })
  return app.listen({ port: 0 })
}

t.test('a request whose target refuses the connection goes to another, whatever its method', async t => {
  const good = await target(t, answer)
  const address = await through(t, [`http://127.0.0.1:${await refusingPort()}`, good.url])
  for (const method of ['GET', 'DELETE', 'POST']) {
    t.equal((await fetch(address, { method })).status, 200, method)
    t.equal((await fetch(address, { method })).status, 200, `${method}, the other target first`)
  }
  t.equal(good.requests, 6)
})

t.test('a GET whose connection is reset before a response is sent to another target', async t => {
  const bad = await target(t, reset)
  const good = await target(t, answer)
  t.equal((await fetch(await through(t, [bad.url, good.url]))).status, 200)
  t.same([bad.requests, good.requests], [1, 1])
})

t.test('with one target it is sent to that again, once', async t => {
  const flaky = await target(t, (socket, request) => request === 1 ? reset(socket) : answer(socket))
  t.equal((await fetch(await through(t, [flaky.url]))).status, 200)
  const bad = await target(t, reset)
  t.equal((await fetch(await through(t, [bad.url], { retries: 10 }))).status, 502)
  t.equal(bad.requests, 2)
})

for (const ended of ['ended', 'reset'] as const) {
  for (const first of [0, 1]) {
    t.test(`a request that meets a target's kept-alive connections just as all are ${ended} goes out on a new one; number ${first} first`, async t => {
      const target = await rawTarget(t)
      const { port } = await startGateway(t, { targets: [target.url] })
      const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
      const good = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
      const clients = [await Wire.connect(t, port), await Wire.connect(t, port)]
      for (const client of clients) client.write(get)
      const servers = [await target.next(), await target.next()]
      for (const server of servers) {
        await server.head()
        server.write(good)
      }
      for (const client of clients) {
        await client.head()
        await client.bytes(2)
      }
      // All in one turn of the event loop, so that the gateway finds out about one connection after another.
      clients[0]!.write(get)
      for (const server of [servers[first]!, servers[1 - first]!]) {
        if (ended === 'ended') server.end()
        else server.reset()
      }
      const again = await target.next()
      again.write(good)
      t.equal((await clients[0]!.head()).start, 'HTTP/1.1 200 OK')
    })
  }
}

t.test('a request that is sent is repeated only where that does no harm', async t => {
  const bad = await target(t, reset)
  const good = await target(t, answer)
  t.equal((await fetch(await through(t, [bad.url, good.url]), { method: 'POST' })).status, 502, 'not idempotent')
  t.equal((await fetch(await through(t, [bad.url, good.url]), { method: 'PUT', body: 'x' })).status, 502, 'it has a body')
  t.equal(good.requests, 0)
})

t.test('never more often than told, and never after a response has begun', async t => {
  const bad = await Promise.all([target(t, reset), target(t, reset), target(t, reset)])
  const sent = () => bad.reduce((sum, { requests }) => sum + requests, 0)
  const urls = bad.map(({ url }) => url)
  t.equal((await fetch(await through(t, urls))).status, 502)
  t.equal(sent(), 2, 'once by default')
  t.equal((await fetch(await through(t, urls, { retries: 0 }))).status, 502)
  t.equal(sent(), 3, 'not at all')
  t.equal((await fetch(await through(t, urls, { retries: 5 }))).status, 502)
  t.equal(sent(), 6, 'each target once')

  const busy = await target(t, socket => { socket.write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n') })
  const other = await target(t, answer)
  t.equal((await fetch(await through(t, [busy.url, other.url]))).status, 503, 'a response is a response')
  const broken = await target(t, socket => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf') })
  await t.rejects(fetch(await through(t, [broken.url, other.url])).then(response => response.text()))
  t.same([busy.requests, broken.requests, other.requests], [1, 1, 0])
})

t.test("a function of the route's headers that throws for a second target is answered with its error", async t => {
  const bad = await target(t, reset)
  const good = await target(t, answer)
  let calls = 0
  const tired = () => {
    if (++calls === 2) throw Object.assign(new Error('enough'), { statusCode: 429 })
    return 'x'
  }
  t.equal((await fetch(await through(t, [bad.url, good.url], {}, { headers: { request: { 'X-A': tired } } }))).status, 429)
  t.same([bad.requests, good.requests], [1, 0])
})

t.test("a function of the route's headers that throws over a response has no target asked again", async t => {
  const [first, second] = [await target(t, answer), await target(t, answer)]
  const failing = () => { throw new TypeError('no function') }
  const response = await fetch(await through(t, [first.url, second.url], {}, { headers: { response: { 'X-A': failing } } }))
  t.equal(response.status, 500, 'it is no fault of the target')
  t.same([first.requests, second.requests], [1, 0])
})

t.test('a request that cannot be written is 502, and nothing of why reaches the client', async t => {
  const good = await target(t, answer)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: good.url })
  // No parser lets it through, but inject() has none.
  const response = await app.inject({ url: '/', headers: { 'no name': 'x' } })
  t.equal(response.statusCode, 502)
  t.match(response.json(), { code: 'SLUICE_TARGET_UNREACHABLE', message: 'The upstream could not be reached' })
  t.equal(good.requests, 0)
})

t.test('a request that a timeout of the app has answered before its upstream was chosen reaches no target', async t => {
  const seen = await target(t, answer)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [seen.url] })
  const answered = new Promise(resolve => app.addHook('onResponse', async () => { resolve(undefined) }))
  app.proxy('/late', { upstream: () => answered.then(() => 'app'), handlerTimeout: 1 })
  app.proxy('/*', { upstream: 'app' })
  const address = await app.listen({ port: 0 })
  t.equal((await fetch(`${address}/late`, { method: 'POST' })).status, 503)
  t.equal((await fetch(`${address}/next`)).status, 200)
  t.equal(seen.requests, 1)
})

// Issue 8, item 16

const refusing = async () => `http://127.0.0.1:${await refusingPort()}`

t.test('a request with a body goes to the next target where no connection could be made, whatever its method', async t => {
  const echo = await echoBackend(t)
  const address = await through(t, [await refusing(), await refusing(), echo.url], { retries: 0 })
  const large = 'x'.repeat(3_000_000)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const body of ['body', large, new Blob([large]).stream()]) {
      const response = await fetch(address, { method, body, duplex: 'half' } as RequestInit)
      t.equal(response.status, 200, method)
      const seen = await response.json() as { body: string }
      t.equal(seen.body, body === 'body' ? body : large)
    }
  }
})

t.test('every other target is tried once, however many retries there are', async t => {
  const good = await target(t, answer)
  const bad = [await refusing(), await refusing(), await refusing(), await refusing()]
  for (const retries of [0, 1, 10]) {
    const address = await through(t, [...bad, good.url], { retries })
    for (let count = 0; count < 5; count++) t.equal((await fetch(address)).status, 200)
    t.equal((await fetch(await through(t, bad, { retries }), { method: 'POST', body: 'x' })).status, 502)
  }
})

t.test('a connection that could not be made is no retry: one that breaks afterwards is', async t => {
  const bad = await target(t, reset)
  const good = await target(t, answer)
  const targets = [await refusing(), bad.url, await refusing(), good.url]
  t.equal((await fetch(await through(t, targets, { retries: 1 }))).status, 200)
  t.equal((await fetch(await through(t, targets, { retries: 0 }))).status, 502)
  t.same([bad.requests, good.requests], [2, 1])
})

t.test('a body that comes while a connection is tried is whole, and the time for it begins afterwards', async t => {
  const good = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [`http://127.0.0.1:${await blackHole(t)}`, good.url], upstream: { connectTimeout: 300, bodyTimeout: 100 } })
  const client = await Wire.connect(t, port)
  client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nbo')
  await new Promise(resolve => setTimeout(resolve, 50))
  client.write('dy')
  const server = await good.next()
  await server.head()
  t.equal((await server.bytes(4)).toString(), 'body')
  client.write('more')
  t.equal((await server.bytes(4)).toString(), 'more')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('so is one that its client waits with', async t => {
  const good = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [await refusing(), good.url] })
  const client = await Wire.connect(t, port)
  client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n')
  const server = await good.next()
  await server.head()
  server.write('HTTP/1.1 100 Continue\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 100 Continue')
  client.write('body')
  t.equal((await server.bytes(4)).toString(), 'body')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('a client that leaves while the second connection is tried ends that', async t => {
  const last = await rawTarget(t)
  const hole = `http://127.0.0.1:${await blackHole(t)}`
  for (const head of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo']) {
    const gateway = await startGateway(t, { targets: [await refusing(), hole, last.url] })
    const client = await Wire.connect(t, gateway.port)
    const routed = new Promise(resolve => gateway.app.server.once('request', resolve))
    client.write(head)
    await routed
    // By now the first has refused.
    await new Promise(resolve => setTimeout(resolve, 100))
    client.reset()
    await gateway.idle()
    t.equal(last.connections, 0)
    t.notOk(gateway.log.some(({ level }) => Number(level) >= 40))
  }
})

t.test("a hook's body that fails while a connection is tried is the answer at once, and no target is tried behind it", async t => {
  const last = await rawTarget(t)
  const stream = new PassThrough()
  const gateway = await startGateway(t, {
    targets: [`http://127.0.0.1:${await blackHole(t)}`, last.url],
    route: { preParsing: (_request, _reply, _payload, done) => { done(null, stream) } }
  })
  const client = await Wire.connect(t, gateway.port)
  client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody')
  await new Promise(resolve => setTimeout(resolve, 50))
  stream.destroy(Object.assign(new Error('It has a virus'), { statusCode: 422 }))
  t.match((await client.head()).start, /^HTTP\/1.1 422/)
  t.equal(last.connections, 0)
})
