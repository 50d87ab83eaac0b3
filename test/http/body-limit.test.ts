import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { ProxyRouteOptions } from '../../src/index.js'
import { createGateway } from '../../src/service/gateway.js'
import { gatewayApp, httpBackend } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { exchange } from '../helpers/raw-client.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf } from '../helpers/wire.js'

const LIMIT = 100
const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const sized = (size: number): string => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`
const chunk = (size: number): string => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`

async function limited (t: Test, route: Partial<ProxyRouteOptions> = {}) {
  const target = await rawTarget(t)
  return { target, ...await startGateway(t, { targets: [target.url], route: { bodyLimit: LIMIT, ...route } }) }
}

/** Reads a 413, behind which the connection ends. */
async function refused (t: Test, client: Wire): Promise<void> {
  const head = await client.head()
  t.match(head.start, /^HTTP\/1\.1 413 /)
  t.same(valuesOf(head, 'connection'), ['close'])
  t.match(JSON.parse(await client.rest()), { statusCode: 413, code: 'SLUICE_BODY_TOO_LARGE', error: 'Payload Too Large' })
  client.end()
}

t.test('a body announced as longer than bodyLimit is 413, and no target is dialled', async t => {
  const { target, port } = await limited(t)
  for (const body of ['', 'x', 'x'.repeat(LIMIT + 1)]) {
    const client = await Wire.connect(t, port)
    client.write(sized(LIMIT + 1) + body)
    await refused(t, client)
  }
  t.equal(target.connections, 0)
})

t.test('a body of bodyLimit passes, with a length and in chunks', async t => {
  const { target, port } = await limited(t)
  for (const request of [sized(LIMIT) + 'x'.repeat(LIMIT), CHUNKED + chunk(LIMIT - 1) + chunk(1) + '0\r\n\r\n']) {
    const client = await Wire.connect(t, port)
    client.write(request)
    const server = await target.next()
    await server.head()
    await server.has(LIMIT)
    server.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n').end()
    t.match((await client.head()).start, '200')
  }
})

t.test('a body that turns out longer is 413, and the target is told', async t => {
  const { target, port } = await limited(t)
  const client = await Wire.connect(t, port)
  client.write(CHUNKED + chunk(LIMIT))
  const server = await target.next()
  await server.head()
  await server.has(LIMIT)
  client.write(chunk(1))
  await refused(t, client)
  t.notMatch(await server.rest(), /^0\r\n/m, 'its body has no end')
  server.end()
  await server.gone()
})

t.test('not more than bodyLimit reaches the target', async t => {
  const { target, port } = await limited(t)
  const client = await Wire.connect(t, port)
  client.write(CHUNKED + chunk(LIMIT - 1))
  const server = await target.next()
  await server.head()
  client.write(chunk(2) + chunk(1000))
  await refused(t, client)
  t.equal((await server.rest()).replace(/[^x]/g, '').length, LIMIT - 1)
})

t.test('behind a response that has begun, the connection is broken off', async t => {
  const { target, port, idle } = await limited(t)
  const client = await Wire.connect(t, port)
  client.write(CHUNKED + chunk(LIMIT))
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
  t.match((await client.head()).start, '200')
  t.equal(String(await client.bytes(4)), 'half')
  client.write(chunk(1))
  t.equal(await client.rest(), '')
  await server.over()
  client.end()
  await idle()
})

t.test('the limit of the app does not hold', async t => {
  const backend = await httpBackend(t, (request, response) => { request.resume().on('end', () => response.end('all of it')) })
  const app = await gatewayApp(t, { bodyLimit: 10 })
  app.proxy('/*', { upstream: backend.url })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal(await (await fetch(address, { method: 'POST', body: 'x'.repeat(3_000_000) })).text(), 'all of it')
})

t.test('it counts what a preParsing hook has made of the body', async t => {
  const { target, port } = await limited(t, {
    preParsing: async (_request, _reply, payload) => payload.pipe(new PassThrough({
      transform (data: Buffer, _encoding, callback) { callback(null, Buffer.concat(Array.from({ length: 60 }, () => data))) }
    }))
  })
  const client = await Wire.connect(t, port)
  client.write(CHUNKED + chunk(1))
  await (await target.next()).head()
  client.write(chunk(1))
  await refused(t, client)
})

t.test('the error goes to the error handler of the scope', async t => {
  const { app } = await limited(t)
  const child = await gatewayApp(t)
  child.setErrorHandler((error: { code: string }, _request, reply) => reply.code(400).send(error.code))
  child.proxy('/*', { upstream: app.listeningOrigin, bodyLimit: 1 })
  await child.listen({ port: 0, host: '127.0.0.1' })
  t.match(await exchange(t, Number(new URL(child.listeningOrigin).port), sized(2)), { status: 400, body: 'SLUICE_BODY_TOO_LARGE' })
})

t.test('it can be set in sluice.yaml, and must be a number of bytes', async t => {
  const { url } = await rawTarget(t)
  const gateway = await createGateway({ listen: { port: 0 }, routes: [{ url: '/*', upstream: url, bodyLimit: 1 }] }, { logger: false })
  t.teardown(() => gateway.close())
  t.match(await exchange(t, Number(new URL(await gateway.listen()).port), sized(2)), { status: 413 })
  const app = await gatewayApp(t)
  for (const bodyLimit of [0, -1, '1 MB' as never]) t.throws(() => app.proxy('/', { upstream: url, bodyLimit }), { code: 'SLUICE_OPTIONS_INVALID' })
})

t.test('a client that stops in its body is told 408, and its connection ended', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url], upstream: { bodyTimeout: 200 } })
  const client = await Wire.connect(t, port)
  client.write(sized(10) + 'abc')
  t.match(await client.head(), { start: /408/ })
  t.match(JSON.parse(await client.rest()), { code: 'SLUICE_BODY_TIMEOUT' })
})
