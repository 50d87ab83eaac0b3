import { once } from 'node:events'
import { createRequire } from 'node:module'
import original from '@fastify/http-proxy'
import fastifyWebsocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { WebSocketServer } from 'ws'
import * as module from '../../src/http-proxy/index.js'
import { echoed, proxyApp, tryHandshake, watchedTarget } from '../helpers/http-proxy.js'
import { closed, rawExchange } from '../helpers/sockets.js'

const httpProxy = module.default

for (const gateway of [true, false]) {
  t.test(`with ${gateway ? 'a gateway of the app' : 'its own gateway'}`, async t => {
    const target = await watchedTarget(t)
    const { app, url } = await proxyApp(t, { upstream: target.url, prefix: '/shop', websocket: true }, { gateway })
    t.equal(app.hasDecorator('gateway'), gateway)
    const { socket } = await tryHandshake(t, `${url}/shop/a`)
    t.equal(await echoed(socket), 'hello')
    t.equal(await (await fetch(`${url}/shop/a?b`)).text(), 'GET /a?b')
    t.equal(await (await fetch(`${url}/shop/a`, { method: 'POST', body: 'x' })).text(), 'POST /a')
    if (gateway) {
      t.match(app.gateway.sessions.list(), [{ route: '/shop/*', target: target.url }])
      t.same(app.gateway.routes.list().map(({ url, websocket }) => [url, websocket]), [['/shop', true], ['/shop/*', true]])
    }
    const ended = closed(socket)
    await app.close()
    t.equal((await ended).code, 1012)
  })

  t.test(`several registrations, in a scope and beside @fastify/websocket, ${gateway ? 'with' : 'without'} a gateway before`, async t => {
    const targets = [await watchedTarget(t), await watchedTarget(t), await watchedTarget(t)]
    const order = async (app: FastifyInstance): Promise<void> => {
      await app.register(fastifyWebsocket)
      app.register(async scope => { scope.get('/own', { websocket: true }, socket => { socket.on('message', data => socket.send(`own ${String(data)}`)) }) })
    }
    for (const side of ['before', 'after'] as const) {
      const { url } = await proxyApp(t, [
        { upstream: targets[0]!.url, prefix: '/a', websocket: true },
        { upstream: targets[1]!.url, prefix: '/b', websocket: true },
        { upstream: targets[2]!.url, prefix: '/plain' }
      ], { gateway, [side]: order })
      for (const [index, path] of ['/a/x', '/b/x'].entries()) {
        const { socket } = await tryHandshake(t, url + path)
        t.equal(await echoed(socket), 'hello', `${path}, @fastify/websocket ${side}`)
        t.equal(targets[index]!.seen.at(-1)!.url, '/x')
      }
      const { socket } = await tryHandshake(t, `${url}/own`)
      t.equal(await echoed(socket), 'own hello')
      t.equal(await (await fetch(`${url}/plain/x`)).text(), 'GET /x')
      t.equal((await tryHandshake(t, `${url}/nowhere`)).status, 404)
    }
    t.equal(targets[2]!.seen.length, 0)
  })

  t.test(`in a scope with a prefix and hooks, ${gateway ? 'with' : 'without'} a gateway before`, async t => {
    const target = await watchedTarget(t)
    const { url } = await proxyApp(t, [], {
      gateway,
      before: app => {
        app.register(async scope => {
          scope.addHook('onRequest', async (request, reply) => request.headers.authorization === undefined ? reply.code(401).send('Who are you?') : undefined)
          scope.register(httpProxy, { upstream: target.url, prefix: '/shop', rewritePrefix: '/v1', websocket: true })
        }, { prefix: '/outer' })
      }
    })
    t.match(await tryHandshake(t, `${url}/outer/shop/a`), { status: 401, body: 'Who are you?' })
    t.equal(target.seen.length, 0)
    t.equal((await tryHandshake(t, `${url}/outer/shop/a`, [], { headers: { authorization: 'x' } })).status, 101)
    t.equal(target.seen[0]!.url, '/v1/a')
  })
}

t.test('a gateway that is registered later is another one', async t => {
  const target = await watchedTarget(t)
  const { default: sluice } = await import('../../src/index.js')
  const { app, url } = await proxyApp(t, { upstream: target.url, websocket: true, prefix: '/shop' }, {
    after: async app => {
      await app.register(sluice)
      app.proxy('/own/*', { upstream: target.url, websocket: true })
    }
  })
  for (const path of ['/shop/a', '/own/a']) t.equal(await echoed((await tryHandshake(t, url + path)).socket), 'hello')
  t.equal(app.gateway.sessions.size, 1)
})

t.test('while the app closes, handshakes are refused, and requests under way are served', async t => {
  const target = await watchedTarget(t)
  const { app, url } = await proxyApp(t, { upstream: target.url, websocket: true })
  const { socket } = await tryHandshake(t, url)
  const closing: Array<Promise<{ status: number }>> = []
  const ended = closed(socket)
  app.server.close = new Proxy(app.server.close, {
    apply: (close, server, args) => {
      closing.push(tryHandshake(t, url))
      closing[0]!.finally(() => Reflect.apply(close, server, args)).catch(() => {})
      return server
    }
  })
  await app.close()
  t.equal((await closing[0]!).status, 503)
  t.equal((await ended).code, 1012)
})

t.test('a listener for upgrades beside it keeps its path', async t => {
  const target = await watchedTarget(t)
  const { app, url } = await proxyApp(t, { upstream: target.url, prefix: '/shop', websocket: true })
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('connection', socket => { socket.on('message', data => socket.send(`own ${String(data)}`)) })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  app.server.on('upgrade', (request, socket, head) => {
    if (request.url === '/own') sockets.handleUpgrade(request, socket, head, open => { sockets.emit('connection', open, request) })
  })
  t.equal(await echoed((await tryHandshake(t, `${url}/own`)).socket), 'own hello')
  t.equal(await echoed((await tryHandshake(t, `${url}/shop`)).socket), 'hello')
})

t.test('bug: escapes that are not UTF-8 were escaped once more in requests of a route with config.passthrough', async t => {
  const target = await watchedTarget(t)
  for (const proxied of [true, false]) {
    const { port } = await proxyApp(t, { upstream: target.url, websocket: proxied }, { gateway: true })
    const answer = await rawExchange(port, 'GET /caf%E9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    t.match(answer, /^HTTP\/1.1 400/, `as Fastify refuses them, ${proxied ? 'with' : 'without'} websocket`)
    t.notMatch(answer, '%25E9')
  }
})

t.test('the module has the names of the original, and require() gives the plugin', async t => {
  const their = original as unknown as Record<string, unknown>
  t.match(Object.keys(module).sort(), ['default', 'defaultHttpMethods', 'defaultRoutes', 'fastifyHttpProxy', 'module.exports'])
  t.same([module.defaultRoutes, module.defaultHttpMethods], [their.defaultRoutes, their.defaultHttpMethods])
  t.equal(module.fastifyHttpProxy, httpProxy)
  const own = httpProxy as unknown as Record<string, unknown>
  for (const name of ['default', 'fastifyHttpProxy', 'defaultRoutes', 'defaultHttpMethods']) t.same(own[name], module[name as 'default'], name)
  const required = createRequire(import.meta.url)('../../dist/src/http-proxy/index.js') as typeof httpProxy & { defaultRoutes: unknown }
  t.type(required, 'function')
  t.same(required.defaultRoutes, their.defaultRoutes)
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(required, { upstream: 'http://127.0.0.1:9', websocket: true })
  await app.ready()
  t.ok(app.hasPlugin('@fastify/http-proxy'), 'and so has Fastify')
})

t.test('log lines and requests have the id of the request', async t => {
  const target = await watchedTarget(t)
  const log: Array<{ msg: string, reqId?: string }> = []
  const { app, url } = await proxyApp(t, { upstream: target.url, websocket: true }, { gateway: true, fastify: { genReqId: () => 'id-7', logger: { stream: { write: (line: string) => log.push(JSON.parse(line)) } } } })
  const { socket } = await tryHandshake(t, url)
  t.equal(target.seen[0]!.headers['x-request-id'], 'id-7')
  socket.close()
  await once(socket, 'close')
  while (app.gateway.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
  t.match(log.find(({ msg }) => msg === 'websocket session ended'), { reqId: 'id-7' })
})
