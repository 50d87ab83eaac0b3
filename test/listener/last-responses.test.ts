import { once } from 'node:events'
import type { FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

const FIRST = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
const GARBAGE = 'no request\r\n\r\n'

async function start (t: Test): Promise<{ client: Wire, target: { next (): Promise<Wire> } }> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  return { target, client: await Wire.connect(t, gateway.port) }
}

t.test('garbage behind a request is answered behind it', async t => {
  const { client, target } = await start(t)
  client.write(FIRST + GARBAGE)
  const server = await target.next()
  await server.head()
  // Reported again, and not answered again.
  client.write(GARBAGE)
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.match(await client.rest(), /^hiHTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\n\{[^{]*\}$/)
})

t.test('garbage does not fill up the body of a response that has begun', async t => {
  const { client, target } = await start(t)
  client.write(FIRST)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(4)).toString(), 'half')
  client.write(GARBAGE)
  server.write('x'.repeat(96))
  t.match(await client.rest(), /^x{96}HTTP\/1\.1 400 /)
})

t.test('where the target dies in that response, it ends there', async t => {
  const { client, target } = await start(t)
  client.write(FIRST + GARBAGE)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(4)).toString(), 'half')
  server.reset()
  t.equal(await client.rest(), '')
})

t.test('a body that breaks under a response that has begun breaks the response', async t => {
  const { client, target } = await start(t)
  client.write('POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(4)).toString(), 'half')
  client.write('zz\r\n')
  t.equal(await client.rest(), '')
  await server.over()
})

t.test('nothing comes behind the response to a request with Connection: close', async t => {
  const { client, target } = await start(t)
  client.write('GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal(await client.rest(), 'hi')
})

t.test('a request that comes after all, behind a timeout that waits for its turn, is not served', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], fastify: { http: { headersTimeout: 100, connectionsCheckingInterval: 25 } } as FastifyServerOptions })
  const client = await Wire.connect(t, gateway.port)
  const late = once(gateway.app.server, 'clientError')
  client.write(FIRST + 'GET /second HTTP/1.1\r\n')
  const server = await target.next()
  await server.head()
  await late
  const second = once(gateway.app.server, 'request')
  client.write('Host: a\r\n\r\n')
  await second
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.match(await client.rest(), /^hiHTTP\/1\.1 408 Request Timeout\r\n[^]*\r\n\r\n\{[^{]*\}$/)
  t.equal(target.connections, 1)
})

t.test('a body that breaks behind its response ends the connection, and nothing more is said', async t => {
  const { client, target } = await start(t)
  client.write('POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(2)).toString(), 'hi')
  client.write('zz\r\n')
  t.equal(await client.rest(), '')
})

t.test('garbage alone is answered at once', async t => {
  const { client } = await start(t)
  client.write(GARBAGE)
  t.match(await client.rest(), /^HTTP\/1\.1 400 /)
})
