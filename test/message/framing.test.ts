import { once } from 'node:events'
import http from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { startGateway, type GatewaySettings, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'
import { framingFault } from '../../src/message/framing.js'

/*
 * Issue 8, item 19: a request behind a refused framing is not executed.
 */

const EMPTY = '0\r\n\r\n'
const BEHIND = 'GET /behind HTTP/1.1\r\nHost: a\r\n\r\n'

const post = (path: string, ...lines: string[]): string => [`POST ${path} HTTP/1.1`, 'Host: a', ...lines, '', EMPTY].join('\r\n')

const DOUBTFUL: Record<string, (path: string) => string> = {
  'a second coding': path => post(path, 'Transfer-Encoding: identity, chunked'),
  'two lines': path => post(path, 'Transfer-Encoding: identity', 'Transfer-Encoding: chunked'),
  'HTTP/1.0': path => post(path, 'Connection: keep-alive', 'Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0'),
  'an expectation': path => post(path, 'Expect: 100-continue', 'Transfer-Encoding: gzip, chunked'),
  'an upgrade to another protocol': path => post(path, 'Connection: upgrade', 'Upgrade: h2c', 'Transfer-Encoding: gzip, chunked'),
  'an upgrade to a WebSocket': path => post(path, 'Connection: upgrade', 'Upgrade: websocket', 'Transfer-Encoding: gzip, chunked')
}

interface Started { target: RawTarget, gateway: RunningGateway, client: Wire, served: string[] }

/** A gateway that notes the requests that get to its hooks. */
async function start (t: Test, setup: (app: FastifyInstance) => void = () => {}, settings: Partial<GatewaySettings> = {}): Promise<Started> {
  const target = await rawTarget(t)
  const served: string[] = []
  const gateway = await startGateway(t, {
    targets: [target.url],
    ...settings,
    setup: app => {
      app.addHook('onRequest', async request => { served.push(request.raw.url!) })
      setup(app)
    }
  })
  return { target, gateway, client: await Wire.connect(t, gateway.port), served }
}

for (const [name, doubtful] of Object.entries(DOUBTFUL)) {
  t.test(`${name}: nothing behind it is served, in one packet`, async t => {
    const { target, client, served } = await start(t)
    client.write(doubtful('/doubtful') + BEHIND + BEHIND)
    t.match(await client.rest(), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 400 Bad Request\r\n[^]*connection: close\r\n[^{]*\{"statusCode":400[^{]*\}$/i)
    t.same(served, ['/doubtful'])
    t.equal(target.connections, 0)
  })

  t.test(`${name}: nor behind hooks that take their time, in packets of their own, in whatever order they end`, async t => {
    let release = (): void => {}
    const released = new Promise<void>(resolve => { release = resolve })
    let arrived = (): void => {}
    const here = new Promise<void>(resolve => { arrived = resolve })
    const { target, client, served, gateway } = await start(t, app => {
      app.addHook('onRequest', async request => {
        if (request.raw.url !== '/doubtful') return
        arrived()
        await released
      })
    })
    client.write(doubtful('/doubtful'))
    await here
    const { server } = gateway.app
    const read = new Promise<void>(resolve => server.once('request', () => resolve()))
    client.write(BEHIND)
    await read
    await wait(20)
    release()
    t.match(await client.rest(), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 400 Bad Request\r\n[^{]*\{[^{]*\}$/)
    t.same(served, ['/doubtful'])
    t.equal(target.connections, 0)
  })

  t.test(`${name}: nor a handshake`, async t => {
    const { target, client, served } = await start(t, app => app.addHook('onRequest', async () => { await wait(20) }))
    client.write(doubtful('/doubtful') + handshake())
    t.match(await client.rest(), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 400 Bad Request\r\n[^{]*\{[^{]*\}$/)
    t.same(served, ['/doubtful'])
    t.equal(target.connections, 0)
  })

  t.test(`${name}: nor where a route of the app serves it`, async t => {
    const { target, client, served } = await start(t, app => {
      app.addContentTypeParser('*', (_request, payload, done) => { payload.resume().on('end', () => done(null)) })
      app.post('/own', async () => 'own')
    })
    client.write(doubtful('/own') + BEHIND)
    t.match(await client.rest(), /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*\r\n\r\nown$/i)
    t.same(served, ['/own'])
    t.equal(target.connections, 0)
  })
}

t.test('what stands before it is served', async t => {
  const { target, client } = await start(t)
  client.write('GET /before HTTP/1.1\r\nHost: a\r\n\r\n' + DOUBTFUL['two lines']!('/doubtful') + BEHIND + handshake())
  const server = await target.next()
  t.equal((await server.head()).start, 'GET /before HTTP/1.1')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbefore')
  t.match(await client.rest(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nbeforeHTTP\/1\.1 400 Bad Request\r\n[^{]*\{[^{]*\}$/)
  t.equal(target.connections, 1)
})

t.test('an expectation that nobody knows is 417; nothing behind its doubtful framing is served', async t => {
  const { target, client, served } = await start(t)
  client.write(post('/doubtful', 'Expect: the worst', 'Transfer-Encoding: gzip, chunked') + BEHIND)
  t.match(await client.rest(), /^HTTP\/1\.1 417 Expectation Failed\r\n[^{]*\r\n\r\n\{[^{]*"SLUICE_EXPECTATION_FAILED"[^{]*\}$/)
  t.same(served, [])
  t.equal(target.connections, 0)

  const other = await Wire.connect(t, (await start(t)).gateway.port)
  other.write('GET / HTTP/1.1\r\nHost: a\r\nExpect: the worst\r\n\r\n')
  t.equal((await other.head()).start, 'HTTP/1.1 417 Expectation Failed')
})

t.test("an app's own listeners for expectations are asked", async t => {
  const { client } = await start(t, app => {
    app.get('/own', async () => 'own')
  }, {
    fastify: {
      serverFactory: (handler: import('node:http').RequestListener) => http.createServer(handler)
        .on('checkContinue', (request, response) => { response.writeContinue(); handler(request, response) })
        .on('checkExpectation', (_request, response) => { response.writeHead(418).end() })
    }
  })
  client.write('GET / HTTP/1.1\r\nHost: a\r\nExpect: the worst\r\n\r\n')
  t.match((await client.head()).start, 'HTTP/1.1 418 ')
})

t.test('a body that breaks on a route of the app still ends the connection', async t => {
  const { client } = await start(t, app => {
    app.addContentTypeParser('*', (_request, payload, done) => { payload.resume().on('end', () => done(null)) })
    app.post('/own', async () => 'own')
  })
  client.write('POST /own HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\nzz\r\n')
  t.match(await client.rest(), /^(HTTP\/1\.1 400 [^{]*\{[^{]*\})?$/)
})

t.test('a client that leaves while an upgrade waits behind a doubtful request ends nothing else', async t => {
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  const { gateway, client } = await start(t, app => app.addHook('onRequest', async () => { await released }))
  const arrived = once(gateway.app.server, 'request')
  client.write(DOUBTFUL['two lines']!('/doubtful') + handshake())
  await arrived
  client.reset()
  await gateway.idle()
  release()
  await gateway.app.close()
})

t.test('which framings are in doubt', async t => {
  const fault = (headers: Record<string, string>, httpVersion = '1.1') => framingFault({ rawHeaders: Object.entries(headers).flat(), httpVersion })
  t.equal(fault({}), undefined)
  t.equal(fault({ 'content-length': '5' }, '1.0'), undefined)
  t.equal(fault({ 'transfer-encoding': 'Chunked' }), undefined)
  t.match(fault({ 'transfer-encoding': 'identity, chunked' }), /not chunked alone/)
  t.match(fault({ 'transfer-encoding': 'chunked' }, '1.0'), /only HTTP\/1\.1/)
  t.match(fault({ 'transfer-encoding': 'chunked', 'content-length': '5' }), /beside/)
})
