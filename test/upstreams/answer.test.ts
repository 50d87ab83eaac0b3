import t from 'tap'
import { gatewayApp } from '../helpers/backends.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

t.test('an answer that can have no body is none to hooks', async t => {
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
