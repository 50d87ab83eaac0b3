import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { gatewayApp, httpBackend } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

async function wired (t: Test, setup?: (app: FastifyInstance) => void) {
  const target = await rawTarget(t)
  const app = await gatewayApp(t)
  setup?.(app)
  app.proxy('/*', { upstream: target.url })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { target, client: await Wire.connect(t, (app.server.address() as { port: number }).port) }
}

const POST = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'

t.test('a body is asked for when the target wants it, and not before', async t => {
  const { target, client } = await wired(t)
  client.write(POST)
  const server = await target.next()
  const request = await server.head()
  t.match(request.headers.find(([name]) => name.toLowerCase() === 'expect'), ['Expect', '100-continue'])
  t.equal(client.length, 0)
  server.write('HTTP/1.1 100 Continue\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 100 Continue')
  client.write('body')
  t.equal((await server.bytes(4)).toString(), 'body')
  server.write('HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await client.head()).start, 'HTTP/1.1 201 Created')
  t.equal((await client.bytes(2)).toString(), 'ok')
  client.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match((await server.head()).start, 'GET /next')
  t.equal(target.connections, 1)
})

t.test('a target that refuses is heard before any body is sent, and nothing else can come on the connection', async t => {
  const { target, client } = await wired(t)
  client.write(POST)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno')
  const { start, headers } = await client.head()
  t.equal(start, 'HTTP/1.1 401 Unauthorized')
  t.match(headers.find(([name]) => name.toLowerCase() === 'connection'), ['Connection', 'close'])
  t.equal(await client.rest(), 'no')
  await server.over()
  t.equal(server.length, 0)
})

t.test('so is a hook', async t => {
  const { target, client } = await wired(t, app => { app.addHook('onRequest', async (_request, reply) => reply.code(403).send('no')) })
  client.write(POST)
  t.equal((await client.head()).start, 'HTTP/1.1 403 Forbidden')
  await client.rest()
  t.equal(target.connections, 0)
})

t.test('a client that does not wait, and a target that does not ask', async t => {
  const { target, client } = await wired(t)
  client.write(`${POST}body`)
  const server = await target.next()
  await server.head()
  t.equal((await server.bytes(4)).toString(), 'body')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('a target that cannot be reached, that dies, and one that talks nonsense', async t => {
  for (const [answer, status] of [['', 502], ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', 502], ['nonsense\r\n\r\n', 502]] as const) {
    const { target, client } = await wired(t)
    client.write(POST)
    const server = await target.next()
    await server.head()
    server.write(answer)
    if (answer === '') server.reset()
    t.match((await client.head()).start, `HTTP/1.1 ${status}`)
    await client.rest()
    await server.over()
  }
})

t.test('a target that does not ask in time is 504, and a client that does not send once it is asked is told 408', async t => {
  for (const asked of [false, true]) {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], upstream: { bodyTimeout: 100 } })
    const client = await Wire.connect(t, gateway.port)
    client.write(POST)
    const server = await target.next()
    await server.head()
    if (asked) {
      server.write('HTTP/1.1 100 Continue\r\n\r\n')
      await client.head()
    }
    t.match((await client.head()).start, `HTTP/1.1 ${asked ? 408 : 504} `)
    await server.over()
  }
})

t.test('a client that leaves while it waits takes the target along', async t => {
  const { target, client } = await wired(t)
  client.write(POST)
  const server = await target.next()
  await server.head()
  client.reset()
  await server.over()
})

t.test('a route of the app, which is not proxied, asks for its body when it reads it', async t => {
  const { client } = await wired(t, app => { app.post('/own', async ({ body }) => body) })
  client.write('POST /own HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 100 Continue')
  client.write('body')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(4)).toString(), 'body')
})

t.test("a client's trailers go on, where it announces them", async t => {
  let seen: IncomingMessage | undefined
  const backend = await httpBackend(t, (request, response) => {
    seen = request
    request.resume().on('end', () => response.end('ok'))
  })
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url })
  const request = httpRequest(await app.listen({ port: 0, host: '127.0.0.1' }), { method: 'DELETE', headers: { trailer: 'X-Checksum', 'transfer-encoding': 'chunked' } })
  request.write('body')
  request.addTrailers({ 'X-Checksum': 'abc', Authorization: 'x', 'X-Forwarded-For': '1.2.3.4' })
  request.end()
  const [answer] = await once(request, 'response') as [IncomingMessage]
  t.equal(answer.statusCode, 200, String(await answer.toArray()))
  t.same(seen!.rawTrailers, ['X-Checksum', 'abc'])
  t.equal(seen!.headers.trailer, 'X-Checksum')
})

t.test('a response to an expectation that cannot be sent on is 502', async t => {
  for (const head of ['HTTP/1.1 999 Strange\r\nContent-Length: 0', 'HTTP/1.1 200 OK\r\nX-A: b\x7f\r\nContent-Length: 0']) {
    const { target, client } = await wired(t)
    client.write(POST)
    const server = await target.next()
    await server.head()
    server.write(`${head}\r\n\r\n`)
    t.equal((await client.head()).start, 'HTTP/1.1 502 Bad Gateway')
    await server.over()
  }
})

t.test('a response that begins before the end of the body may take its time', async t => {
  const target = await rawTarget(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [target.url], headersTimeout: 50 })
  app.proxy('/*', { upstream: 'app' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await Wire.connect(t, (app.server.address() as { port: number }).port)
  client.write(POST)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no')
  await client.head()
  client.write('body')
  await server.bytes(4)
  // Longer than the limit for a head, which has come.
  await new Promise(resolve => setTimeout(resolve, 200))
  server.write('k')
  t.equal((await client.bytes(2)).toString(), 'ok')
})

t.test('an expectation behind another request is met in its turn, and never inside a response', async t => {
  const { target, client } = await wired(t)
  client.write(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${POST}`)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 First\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await client.head()).start, 'HTTP/1.1 200 First')
  t.equal((await client.bytes(2)).toString(), 'hi')
  t.equal((await server.head()).start, 'POST / HTTP/1.1')
  server.write('HTTP/1.1 100 Continue\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 100 Continue')
  client.write('body')
  t.equal((await server.bytes(4)).toString(), 'body')
  server.write('HTTP/1.1 200 Second\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await client.head()).start, 'HTTP/1.1 200 Second')
  t.equal((await client.bytes(2)).toString(), 'ok')
})
