import { request } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import httpProxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import sluice from '../src/index.js'
import { echoBackend, httpBackend } from './helpers/backends.js'
import { closed, nextMessage, openSocket } from './helpers/sockets.js'

/*
 * Issue 8, item 34: the plugin registered in many scopes is one listener on the server, not one a scope.
 */

const SCOPES = 50

/** What listens on the server of an app, by event. */
function listeners (app: FastifyInstance): Record<string, number> {
  return Object.fromEntries(app.server.eventNames().map(event => [String(event), app.server.listenerCount(event)]))
}

/** An app with a gateway in each of so many scopes, `/0` and so on. */
async function start (t: Test, count: number, { fastify = {}, setup = () => {} }: { fastify?: object, setup?: (app: FastifyInstance) => void } = {}): Promise<FastifyInstance> {
  const backend = await echoBackend(t)
  const app = Fastify(fastify) as FastifyInstance
  t.teardown(() => app.close())
  setup(app)
  for (let index = 0; index < count; index++) {
    app.register(async scope => {
      await scope.register(sluice)
      scope.upstream('app', { targets: [backend.url] })
      scope.proxy('/*', { upstream: 'app', websocket: true })
    }, { prefix: `/${index}` })
  }
  return app
}

async function echoes (t: Test, url: string, prefix = ''): Promise<void> {
  const socket = await openSocket(url)
  const message = nextMessage(socket)
  socket.send('hello')
  t.equal(await message, `${prefix}hello`, url.replace(/.*\d\//, '/'))
  socket.close()
  await closed(socket)
}

t.test('50 scopes have the listeners of one, on the server and on the process', async t => {
  const warnings: Error[] = []
  // Newer versions of Node deprecate what dependencies do.
  const onWarning = (warning: Error): void => { if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const processListeners = (): number[] => process.eventNames().map(event => process.listenerCount(event))

  const one = await start(t, 1)
  await one.listen({ host: '127.0.0.1', port: 0 })
  const before = processListeners()
  const many = await start(t, SCOPES)
  const address = await many.listen({ host: '127.0.0.1', port: 0 })
  t.same(listeners(many), listeners(one))
  t.same(processListeners(), before)
  for (const event of ['upgrade', 'clientError', 'checkContinue', 'checkExpectation']) t.equal(many.server.listenerCount(event), 1, event)
  for (const index of [0, 1, SCOPES - 1]) {
    t.equal((await fetch(`${address}/${index}/x`)).status, 200)
    await echoes(t, `${address}/${index}/x`)
  }
  const expecting = await new Promise<number>((resolve, reject) => {
    const sent = request(`${address}/7/x`, { method: 'POST', headers: { expect: '100-continue', 'content-length': 1 } }, response => {
      response.resume()
      resolve(response.statusCode!)
    })
    sent.on('continue', () => sent.end('x')).on('error', reject).flushHeaders()
  })
  t.equal(expecting, 200, 'an expectation')
  await many.close()
  await setImmediate()
  t.same(warnings, [], 'and no MaxListenersExceededWarning')
})

t.test('so do 50 scopes over localhost and HTTP/2', async t => {
  const warnings: Error[] = []
  // Newer versions of Node deprecate what dependencies do.
  const onWarning = (warning: Error): void => { if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  for (const [fastify, host] of [[{}, 'localhost'], [{ http2: true }, '127.0.0.1']] as const) {
    const one = await start(t, 1, { fastify })
    await one.listen({ host, port: 0 })
    const many = await start(t, SCOPES, { fastify })
    await many.listen({ host, port: 0 })
    t.same(listeners(many), listeners(one))
    await many.close()
  }
  await setImmediate()
  t.same(warnings, [])
})

t.test('what is asked once of an app adds one hook to it', async t => {
  const added = async (count: number): Promise<Record<string, number>> => {
    const hooks: Record<string, number> = {}
    const setup = (app: FastifyInstance): void => {
      const { addHook } = app
      app.addHook = function (this: FastifyInstance, name: string, ...rest: unknown[]) {
        hooks[name] = (hooks[name] ?? 0) + 1
        return (addHook as (...given: unknown[]) => FastifyInstance).call(this, name, ...rest)
      } as typeof addHook
    }
    await start(t, count, { setup })
    return hooks
  }
  const [one, many] = [await added(1), await added(SCOPES)]
  t.equal(many.onListen, 1, 'the connections of other addresses')
  t.equal(one.onRoute, 1, "none for config.passthrough, beside that for the scope's own routes")
  t.equal(many.onRoute, SCOPES)
})

t.test('ignoreUpgrade of every scope counts, whichever was first', async t => {
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('connection', socket => { socket.on('message', data => socket.send(`late ${String(data)}`)) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  const backend = await echoBackend(t)
  const app = Fastify()
  t.teardown(() => app.close())
  for (const name of ['a', 'b', 'c']) {
    app.register(async scope => {
      await scope.register(sluice, name === 'a' ? {} : { ignoreUpgrade: request => request.url === `/${name}/late` })
      scope.proxy('/*', { upstream: backend.url, websocket: true })
    }, { prefix: `/${name}` })
  }
  app.server.on('upgrade', async (request, socket, head) => {
    if (!request.url!.endsWith('/late')) return
    await setImmediate()
    sockets.handleUpgrade(request, socket, head, open => { sockets.emit('connection', open, request) })
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  await echoes(t, `${address}/b/late`, 'late ')
  await echoes(t, `${address}/c/late`, 'late ')
  for (const name of ['a', 'b', 'c']) await echoes(t, `${address}/${name}/other`)
})

t.test('config.passthrough means the gateway of its own scope', async t => {
  const backends = { a: await tellingBackend(t, 'a'), b: await tellingBackend(t, 'b') }
  const app = Fastify()
  t.teardown(() => app.close())
  for (const name of ['a', 'b'] as const) {
    app.register(async scope => {
      // Before the gateway, behind it, and in a scope within.
      await scope.register(httpProxy, { upstream: backends[name], prefix: '/before', config: { passthrough: { upstream: 'app' } } })
      await scope.register(sluice)
      scope.upstream('app', { targets: [backends[name]] })
      scope.get('/behind', { config: { passthrough: { upstream: 'app' } } }, () => 'own')
      scope.register(async inner => { inner.get('/inner', { config: { passthrough: { upstream: 'app' } } }, () => 'own') })
    }, { prefix: `/${name}` })
  }
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const name of ['a', 'b']) {
    for (const path of ['before', 'behind', 'inner']) await echoes(t, `${address}/${name}/${path}`, name)
  }
})

t.test('config.passthrough in a scope without a gateway means the first', async t => {
  const backends = { a: await tellingBackend(t, 'a'), b: await tellingBackend(t, 'b') }
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/before', { config: { passthrough: { upstream: 'app' } } }, () => 'own')
  for (const name of ['a', 'b'] as const) {
    app.register(async scope => {
      await scope.register(sluice)
      scope.upstream('app', { targets: [backends[name]] })
    }, { prefix: `/${name}` })
  }
  app.register(async scope => { scope.get('/behind', { config: { passthrough: { upstream: 'app' } } }, () => 'own') })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  await echoes(t, `${address}/before`, 'a')
  await echoes(t, `${address}/behind`, 'a')
})

t.test('and a mistake in one is told when the app becomes ready', async t => {
  for (const passthrough of [{ upstream: 'nobody' }, { upstream: 'app', wrong: 1 }]) {
    const app = Fastify()
    app.get('/before', { config: { passthrough } as never }, () => 'own')
    app.register(async scope => {
      await scope.register(sluice)
      scope.upstream('app', { targets: ['http://127.0.0.1:9'] })
    })
    await t.rejects(async () => { await app.ready() }, { code: 'wrong' in passthrough ? 'SLUICE_OPTIONS_INVALID' : 'SLUICE_UPSTREAM_UNKNOWN' })
    await app.close()
  }
})

/** A target that echoes each message behind its name. */
async function tellingBackend (t: Test, name: string): Promise<string> {
  const { url, server } = await httpBackend(t, (_request, response) => response.end(name))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => { socket.on('message', data => socket.send(name + String(data))) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  return url
}
