import t, { type Test } from 'tap'
import { gatewayApp } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

t.test('a response that can have no body is none to hooks', async t => {
  const target = await rawTarget(t)
  const app = await gatewayApp(t)
  const payloads: unknown[] = []
  app.addHook('onSend', async (_request, _reply, payload) => { payloads.push(payload) })
  app.proxy('/*', { upstream: target.url })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await Wire.connect(t, (app.server.address() as { port: number }).port)

  for (const [head, absent, present] of [
    ['204 No Content\r\nContent-Length: 5\r\nETag: "1"', 'content-length', 'etag'],
    ['304 Not Modified\r\nContent-Length: 5\r\nETag: "1"', 'transfer-encoding', 'content-length']
  ] as const) {
    client.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 ${head}\r\nConnection: close\r\n\r\n`).end()
    const { start, headers } = await client.head()
    t.equal(start, `HTTP/1.1 ${head.split('\r\n')[0]}`)
    const names = headers.map(([name]) => name.toLowerCase())
    t.notOk(names.includes(absent))
    t.ok(names.includes(present))
  }
  t.same(payloads, [undefined, undefined])
})

async function halfResponse (t: Test, version: string): Promise<{ client: Wire, server: Wire }> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(`GET / HTTP/${version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.match((await client.bytes(version === '1.0' ? 4 : 9)).toString(), 'half')
  return { client, server }
}

t.test('a client of HTTP/1.0 is reset, where the end of the connection would be the end of the body', async t => {
  for (const end of ['FIN', 'RST', 'garbage']) {
    const { client, server } = await halfResponse(t, '1.0')
    if (end === 'FIN') server.end()
    else if (end === 'RST') server.reset()
    else server.write('zz\r\n')
    await client.gone()
    t.equal(client.error?.code, 'ECONNRESET', end)
  }
})

t.test('it is not, when the response is whole', async t => {
  const { client, server } = await halfResponse(t, '1.0')
  server.write('0\r\n\r\n')
  t.equal(await client.rest(), '')
  t.equal(client.error, undefined)
})

t.test('a client of HTTP/1.1 misses the last chunk', async t => {
  const { client, server } = await halfResponse(t, '1.1')
  server.end()
  t.equal(await client.rest(), '')
})

t.test('neither a reason phrase nor a status that Node or Fastify would not write gets in the way', async t => {
  for (const [answer, status] of [['200 O\0K', '200 OK'], ['999 Odd', '502 Bad Gateway']] as const) {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url] })
    const client = await Wire.connect(t, gateway.port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 ${answer}\r\nContent-Length: 2\r\n\r\nhi`)
    t.equal((await client.head()).start, `HTTP/1.1 ${status}`)
  }
})
