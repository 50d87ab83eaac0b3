import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import sluice from '../../src/index.js'
import { selfSigned } from '../helpers/certificates.js'
import { resources } from '../helpers/gateway.js'
import { listeners, listenOn, type Listener } from '../helpers/listeners.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { stuckClients } from '../helpers/stuck-clients.js'
import { Wire } from '../helpers/wire.js'

/*
 * Issue 8, item 33: app.close() ends within drainTimeout, whatever the clients do.
 */

const DRAIN = 200
/** What a machine under load may take longer. */
const MARGIN = 3000

const certificate = await selfSigned(t, 'IP:127.0.0.1')

async function start (t: Test, listener: Listener) {
  const target = await rawTarget(t)
  const app = Fastify(listener.options(certificate)) as unknown as FastifyInstance
  t.teardown(() => app.close())
  await app.register(sluice, { drainTimeout: DRAIN })
  app.upstream('main', { targets: [target.url] })
  app.proxy('/*', { upstream: 'main', websocket: true })
  app.register(async scope => {
    scope.addHook('onRequest', () => new Promise(() => {}))
    scope.proxy('/*', { upstream: 'main', websocket: true })
  }, { prefix: '/hook' })
  const { raw, connect } = await listenOn(t, app, listener)
  return { app, target, raw, connect: async (): Promise<Wire> => (await connect()).client }
}

/** Closes an app, and tells whether that was in time. */
async function checkClose (t: Test, app: FastifyInstance): Promise<void> {
  const before = performance.now()
  await app.close()
  const took = performance.now() - before
  t.ok(took < DRAIN + MARGIN, `closed in time: ${Math.round(took)} ms`)
  t.equal(await new Promise<number>((resolve, reject) => app.server.getConnections((error, count) => error === null ? resolve(count) : reject(error))), 0)
}

for (const [kind, listener] of Object.entries(listeners)) {
  t.test(kind, async t => {
    for (const [name, begin] of Object.entries(stuckClients)) {
      t.test(name, async t => {
        const { app, target, connect } = await start(t, listener)
        await begin({ target, connect })
        await checkClose(t, app)
        target.server.close()
      })
    }

    if (listener.tls !== true) return
    t.test('a connection without a ClientHello is closed at once', async t => {
      const { app, raw } = await start(t, listener)
      const accepted = once(app.server, 'connection')
      const client = new Wire(t, await raw())
      await accepted
      await checkClose(t, app)
      await client.over()
    })

    t.test('half a ClientHello', async t => {
      const { app, raw } = await start(t, listener)
      const accepted = once(app.server, 'connection')
      const client = new Wire(t, await raw())
      // A record of 512 bytes of which 3 have come.
      client.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]))
      const [socket] = await accepted as [Socket]
      while (socket.bytesRead === 0) await new Promise(resolve => setTimeout(resolve, 5))
      await checkClose(t, app)
      await client.over()
    })
  })
}

for (const [kind, secure] of [['HTTP/2', true], ['HTTP/2 without TLS', false]] as const) {
  t.test(kind, async t => {
    const start = async (t: Test) => {
      const app = Fastify({ http2: true, ...secure && { https: { key: certificate.key, cert: certificate.cert } } } as FastifyServerOptions) as unknown as FastifyInstance
      t.teardown(() => app.close())
      await app.register(sluice, { drainTimeout: DRAIN })
      app.get('/own', async () => 'own')
      app.get('/never', () => new Promise(() => {}))
      let answer = (): void => {}
      app.get('/later', () => new Promise(resolve => { answer = () => resolve('later') }))
      app.proxy('/*', { upstream: 'http://127.0.0.1:9' })
      await app.listen({ port: 0, host: '127.0.0.1' })
      const client = connectHttp2(`${secure ? 'https' : 'http'}://127.0.0.1:${(app.server.address() as AddressInfo).port}`, { rejectUnauthorized: false })
      t.teardown(() => client.destroy())
      client.on('error', () => {})
      await once(client, 'remoteSettings')
      const get = (path: string) => client.request({ ':path': path })
      return { app, client, get, answer: () => answer() }
    }
    const status = async (stream: ReturnType<Awaited<ReturnType<typeof start>>['get']>): Promise<unknown> => {
      const [headers] = await once(stream, 'response') as [{ ':status': number }]
      stream.resume()
      return headers[':status']
    }

    t.test('idle, and without a request', async t => {
      const { app, client } = await start(t)
      const closed = once(client, 'close')
      await checkClose(t, app)
      await closed
    })

    t.test('used, and a proxied route says that it cannot', async t => {
      const { app, get } = await start(t)
      t.equal(await status(get('/own')), 200)
      t.equal(await status(get('/a')), 505)
      await checkClose(t, app)
    })

    t.test('a request under way is answered', async t => {
      const { app, get, answer } = await start(t)
      const stream = get('/later')
      await once(app.server, 'stream')
      const response = status(stream)
      const closed = app.close()
      setTimeout(answer, 20)
      t.equal(await response, 200)
      await closed
    })

    t.test('a request that is never answered', async t => {
      const { app, get } = await start(t)
      get('/never').on('error', () => {})
      await once(app.server, 'stream')
      await checkClose(t, app)
    })
  })
}

t.test('a server of another maker, without the methods of Node', async () => {
  const app = Fastify({
    serverFactory: handler => {
      const server = createHttp2Server(handler as never)
      return server as never
    }
  })
  await app.register(sluice, { drainTimeout: DRAIN })
  app.proxy('/*', { upstream: 'http://127.0.0.1:9' })
  // Fastify itself asks such a server for what it does not have.
  Object.assign(app.server, { closeIdleConnections: undefined })
  await app.ready()
  await app.close()
})

t.test("an app's own requests count, too", async t => {
  const app = Fastify()
  await app.register(sluice, { drainTimeout: DRAIN })
  app.get('/never', () => new Promise(() => {}))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await Wire.connect(t, (app.server.address() as AddressInfo).port)
  client.write('GET /never HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(app.server, 'request')
  await checkClose(t, app)
  await client.over()
})

t.test('in several scopes, the times do not add up', async t => {
  const target = await rawTarget(t)
  const app = Fastify()
  for (const prefix of ['/a', '/b', '/c']) {
    await app.register(async scope => {
      await scope.register(sluice, { drainTimeout: 500 })
      scope.proxy('/*', { upstream: target.url, websocket: true })
    }, { prefix })
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const connect = (): Promise<Wire> => Wire.connect(t, (app.server.address() as AddressInfo).port)
  for (const prefix of ['/a', '/b', '/c']) {
    const client = await connect()
    client.write(handshake({ path: `${prefix}/x` }))
    const server = await target.next()
    server.write(goodResponse(await server.head()))
    await client.head()
  }
  const before = performance.now()
  await app.close()
  t.ok(performance.now() - before < 1400, 'all at once')
})

t.test('an evicted upstream with an exchange under way', async t => {
  const target = await rawTarget(t)
  const app = Fastify()
  await app.register(sluice, { drainTimeout: DRAIN })
  app.proxy('/*', { upstream: request => request.headers['x-target'] as string })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const injected = app.inject({ url: '/', headers: { 'x-target': target.url } })
  const server = await target.next()
  await server.head()
  for (let port = 1; port <= 256; port++) await app.inject({ url: '/', headers: { 'x-target': `http://127.0.0.1:${port}` } })
  const closed = app.close()
  t.equal((await injected).statusCode, 503)
  await closed
  await server.over()
})

t.test('nothing of it is left', async t => {
  const before = resources()
  const { app } = await start(t, listeners['TCP']!)
  await app.close()
  await new Promise(resolve => setImmediate(resolve))
  t.ok(resources().timers <= before.timers)
})
