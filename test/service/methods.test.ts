import { METHODS } from 'node:http'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import type { GatewayConfig } from '../../src/options/index.js'
import { createGateway, type GatewayServer } from '../../src/service/gateway.js'
import { addAllMethods } from '../../src/service/methods.js'
import { rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf } from '../helpers/wire.js'

// Issue 8, item 14: all methods that Node knows pass the service, and `method` may name them.

async function service (t: Test, config: (target: RawTarget) => GatewayConfig): Promise<{ gateway: GatewayServer, target: RawTarget, port: number }> {
  const target = await rawTarget(t)
  const gateway = await createGateway({ listen: { port: 0, host: '127.0.0.1' }, ...config(target) }, { logger: false })
  t.teardown(() => gateway.close())
  return { gateway, target, port: Number(new URL(await gateway.listen()).port) }
}

const passing = METHODS.filter(method => method !== 'CONNECT')

for (const [kind, lines, body] of [
  ['without a body', [], ''],
  ['with a body of a length', ['Content-Type: application/xml', 'Content-Length: 4'], '<a/>'],
  ['with a body in chunks', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], '4\r\n<a/>\r\n0\r\n\r\n'],
  ['without a body, but with a type', ['Content-Type: application/json'], '']
] as const) {
  t.test(`every method of Node's but CONNECT passes, ${kind}`, async t => {
    const { target, port } = await service(t, ({ url }) => ({ routes: [{ url: '/*', upstream: url }] }))
    for (const method of passing) {
      const client = await Wire.connect(t, port)
      client.write([`${method} /path HTTP/1.1`, 'Host: gateway.test', ...lines, '', body].join('\r\n'))
      const server = await target.next()
      const head = await server.head()
      t.equal(head.start, `${method} /path HTTP/1.1`)
      if (body !== '') t.equal(String(await server.bytes(body.length)), body, method)
      else t.match(valuesOf(head, 'content-length').join(), /^0?$/, method)
      server.write('HTTP/1.1 207 Multi-Status\r\nConnection: close\r\nContent-Length: 0\r\n\r\n').end()
      t.match((await client.head()).start, / 207 /, method)
      client.end()
    }
  })
}

t.test('method names them, each with its own route', async t => {
  const { target, port } = await service(t, ({ url }) => ({
    upstreams: { dav: { targets: [url] }, none: { targets: ['http://127.0.0.1:1'] } },
    routes: [{ url: '/*', upstream: 'dav', method: ['PROPFIND', 'report'] }, { url: '/*', upstream: 'none', method: 'PURGE' }]
  }))
  for (const method of ['PROPFIND', 'REPORT', 'PURGE', 'GET']) {
    const client = await Wire.connect(t, port)
    client.write(`${method} / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n`)
    if (method === 'PROPFIND' || method === 'REPORT') {
      const server = await target.next()
      t.match((await server.head()).start, method)
      server.write('HTTP/1.1 207 Multi-Status\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      server.end()
    }
    t.match((await client.head()).start, method === 'PURGE' ? / 502 / : method === 'GET' ? / 404 / : / 207 /, method)
  }
})

t.test('a method that Node does not know, and CONNECT, are mistakes of the configuration', async t => {
  for (const method of ['PROPFINDD', 'CONNECT']) {
    await t.rejects(createGateway({ routes: [{ url: '/*', upstream: 'http://127.0.0.1:1', method }] }, { logger: false }),
      { code: 'SLUICE_CONFIG_INVALID', message: new RegExp(method) })
  }
})

t.test('decorators of plugins may have the names of methods, and plugins may add them, too', async t => {
  const { gateway } = await service(t, ({ url }) => ({ routes: [{ url: '/*', upstream: url }] }))
  const { app } = gateway
  t.notOk(app.hasDecorator('notify'))
  const other = Fastify()
  t.teardown(() => other.close())
  addAllMethods(other)
  other.decorate('notify', () => 'mine')
  t.equal((other as unknown as { notify (): string }).notify(), 'mine')
  t.ok(other.supportedMethods.includes('NOTIFY'))
})

t.test('in an app of its own, a method that the app has added passes', async t => {
  const { default: sluice } = await import('../../src/index.js')
  const target = await rawTarget(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHttpMethod('PROPFIND', { hasBody: true })
  await app.register(sluice)
  app.proxy('/*', { upstream: target.url })
  const client = await Wire.connect(t, Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port))
  client.write('PROPFIND / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Type: application/xml\r\n\r\n<a/>')
  const server = await target.next()
  t.match((await server.head()).start, 'PROPFIND')
  t.equal(String(await server.bytes(4)), '<a/>')
})
