import { PassThrough, pipeline, Transform } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import sluice from '../src/index.js'
import { echoBackend, gatewayApp, httpBackend, type Seen } from './helpers/backends.js'
import { nextMessage, openSocket, rawExchange, refusal } from './helpers/sockets.js'

t.test('declares, proxies, and passes WebSockets', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.proxy('/*', { upstream: 'app', websocket: true })
  const address = await app.listen({ port: 0 })

  const seen = await (await fetch(`${address}/a/b?c=d&c=e`)).json() as Seen
  t.equal(seen.url, '/a/b?c=d&c=e')

  const socket = await openSocket(`${address}/ws`)
  t.equal(app.gateway.sessions.size, 1)
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
})

t.test('a second declaration of a name names it', async t => {
  const app = await gatewayApp(t)
  app.upstream('app', { targets: ['http://127.0.0.1:1'] })
  t.throws(() => app.upstream('app', { targets: ['http://127.0.0.1:2'] }), { code: 'SLUICE_UPSTREAM_DUPLICATE', message: /'app' is declared already/ })
})

t.test('an unknown upstream in a route is reported when the app becomes ready', async t => {
  const app = await gatewayApp(t)
  app.proxy('/x/*', { upstream: 'nobody' })
  await t.rejects(async () => { await app.ready() }, { code: 'SLUICE_UPSTREAM_UNKNOWN', message: /Route '\/x\/\*' names upstream 'nobody'/ })
})

t.test('an upstream may be declared after the routes that name it, by any plugin', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: 'later' })
  app.register(async child => {
    child.register(async grandchild => { grandchild.upstream('later', { targets: [backend.url] }) })
  })
  const address = await app.listen({ port: 0 })
  t.equal((await fetch(address)).status, 200)
})

t.test('malformed targets and options name the offender and the fix', async t => {
  const app = await gatewayApp(t)
  t.throws(() => app.upstream('a', { targets: ['localhost:80'] }), { code: 'SLUICE_TARGET_MALFORMED', message: /did you mean 'http:\/\/localhost:80'/ })
  t.throws(() => app.upstream('a', { targets: ['ws://localhost:80'] }), { message: /write 'http:\/\/localhost/ })
  t.throws(() => app.upstream('a', { targets: ['http://u:secret@localhost'] }), { message: /^'http:\/\/\*\*\*@localhost'/ })
  t.throws(() => app.upstream('a', { targets: ['http://localhost/?query'] }), { message: /it has a query/ })
  t.throws(() => app.upstream('a', { targets: [] }), { code: 'SLUICE_OPTIONS_INVALID', message: /Upstream 'a': option 'targets'/ })
  t.throws(() => app.upstream('a', { targets: ['http://a'], conectTimeout: 3 } as never), { message: /conectTimeout/ })
  t.throws(() => app.proxy('/*', {} as never), { code: 'SLUICE_OPTIONS_INVALID', message: /Route '\/\*': option 'upstream'/ })
  t.throws(() => app.proxy('/*', { upstream: 'http://localhost/?query' }), { code: 'SLUICE_TARGET_MALFORMED' })
  t.throws(() => app.proxy('/*', { upstream: 'a', websockets: true } as never), { code: 'SLUICE_OPTIONS_INVALID', message: /did you mean 'websocket'/ })
  t.throws(() => app.proxy('/*', { upstream: 'a', websocket: true, method: 'POST' }), { code: 'SLUICE_ROUTE_INVALID', message: /Add GET/ })
  t.throws(() => app.proxy('/*', { upstream: 'a', stripPrefix: '/api' }), { code: 'SLUICE_ROUTE_INVALID', message: /stripPrefix/ })
  t.throws(() => app.proxy('/*', { upstream: 'a', schema: { body: {} } } as never), { code: 'SLUICE_ROUTE_INVALID', message: /schema.body/ })
})

t.test('the prefix, hooks and error handler of the scope hold for requests and for upgrades', async t => {
  let dialled = 0
  const backend = await echoBackend(t)
  backend.server.on('connection', () => { dialled++ })
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.register(async scope => {
    scope.setErrorHandler((error, _request, reply) => { reply.code((error as { statusCode: number }).statusCode).send(`handled: ${(error as Error).message}`) })
    scope.proxy('/*', { upstream: 'app', websocket: true, stripPrefix: '/scope' })
    // Added behind the route, and behind another plugin: a route's scope holds as it is when the app is ready.
    await scope.register(async () => {})
    scope.addHook('preHandler', async request => {
      if (request.headers.authorization !== 'yes') throw Object.assign(new Error('who are you?'), { statusCode: 401 })
    })
  }, { prefix: '/scope' })
  const address = await app.listen({ port: 0 })

  const refused = await fetch(`${address}/scope/x`)
  t.equal(refused.status, 401)
  t.equal(await refused.text(), 'handled: who are you?')
  const refusedSocket = await refusal(`${address}/scope/ws`)
  t.equal(refusedSocket.status, 401)
  t.equal(refusedSocket.body, 'handled: who are you?')
  t.equal(dialled, 0)

  const seen = await (await fetch(`${address}/scope/x?y`, { headers: { authorization: 'yes' } })).json() as Seen
  t.equal(seen.url, '/x?y')
  const socket = await openSocket(`${address}/scope/ws`, [], { headers: { authorization: 'yes' } })
  socket.send('in')
  t.equal(await nextMessage(socket), 'in')
})

t.test('route options of Fastify hold: method, constraints, hooks, schema, config', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.proxy('/only', { upstream: 'app', method: ['GET', 'POST'] })
  app.proxy('/host', { upstream: 'app', constraints: { host: 'tenant.test' } })
  app.proxy('/checked', {
    upstream: 'app',
    websocket: true,
    schema: { querystring: { type: 'object', required: ['room'], properties: { room: { type: 'integer' } } } }
  })
  app.proxy('/config', {
    upstream: 'app',
    config: { mark: 'here' } as never,
    onRequest: async (request, reply) => { reply.header('x-config', String((request.routeOptions.config as { mark?: string }).mark)) }
  })
  const address = await app.listen({ port: 0 })
  t.equal((await fetch(`${address}/only`)).status, 200)
  t.equal((await fetch(`${address}/only`, { method: 'PUT' })).status, 404)
  t.equal((await fetch(`${address}/host`)).status, 404)
  const { port } = new URL(address)
  t.match(await rawExchange(Number(port), 'GET /host HTTP/1.1\r\nHost: tenant.test\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200/)
  t.equal((await fetch(`${address}/checked?room=x`)).status, 400)
  t.equal((await refusal(`${address}/checked?room=x`)).status, 400)
  await openSocket(`${address}/checked?room=3`)
  t.equal((await fetch(`${address}/config`)).headers.get('x-config'), 'here')
})

t.test('upstream as a URL, and as a function, sync and async', async t => {
  const one = await httpBackend(t, (_request, response) => { response.end('one') })
  const two = await httpBackend(t, (_request, response) => { response.end('two') })
  const app = await gatewayApp(t)
  app.upstream('two', { targets: [two.url] })
  app.proxy('/url', { upstream: one.url })
  app.proxy('/sync', { upstream: request => request.headers['x-tenant'] === 'two' ? 'two' : one.url })
  app.proxy('/async', { upstream: async () => 'two' })
  app.proxy('/unknown', { upstream: () => 'nobody' })
  app.proxy('/wrong', { upstream: (() => 3) as never })
  app.proxy('/throws', { upstream: () => { throw new Error('the database at 10.0.0.1 is down') } })
  app.proxy('/refuses', { upstream: () => { throw Object.assign(new Error('no such tenant'), { statusCode: 404 }) } })
  const address = await app.listen({ port: 0 })
  t.equal(await (await fetch(`${address}/url`)).text(), 'one')
  t.equal(await (await fetch(`${address}/sync`, { headers: { 'x-tenant': 'two' } })).text(), 'two')
  t.equal(await (await fetch(`${address}/sync`)).text(), 'one')
  t.equal(await (await fetch(`${address}/async`)).text(), 'two')
  for (const path of ['/unknown', '/wrong', '/throws']) {
    const answer = await fetch(address + path)
    t.equal(answer.status, 502, path)
    const body = await answer.json() as { code: string, message: string }
    t.equal(body.code, 'SLUICE_UPSTREAM_SELECTION')
    t.notMatch(JSON.stringify(body), /10\.0\.0\.1|nobody/)
  }
  t.equal((await fetch(`${address}/refuses`)).status, 404)
})

t.test('targets share the traffic by weight', async t => {
  const count = { one: 0, two: 0 }
  const one = await httpBackend(t, (_request, response) => { count.one++; response.end() })
  const two = await httpBackend(t, (_request, response) => { count.two++; response.end() })
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [one.url, { url: two.url, weight: 3 }] })
  app.proxy('/', { upstream: 'app' })
  const address = await app.listen({ port: 0 })
  for (let index = 0; index < 8; index++) await (await fetch(address)).text()
  t.same(count, { one: 2, two: 6 })
})

t.test('a body of any type passes unparsed, even where a hook is added to the route later', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.addHook('onRoute', options => { options.preParsing = [options.preParsing ?? [], async (_request: unknown, _reply: unknown, payload: unknown) => payload].flat() as never })
  app.proxy('/*', { upstream: 'app' })
  const address = await app.listen({ port: 0 })
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'no type at all', 'multipart/form-data']) {
    const seen = await (await fetch(address, { method: 'POST', headers: { 'content-type': type }, body: '{"broken": ' })).json() as Seen
    t.equal(seen.body, '{"broken": ', type)
    t.equal(seen.method, 'POST')
    t.equal(seen.headers['content-type'], type)
  }
})

t.test('preParsing hooks of the scope may ask for the method', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.proxy('/*', { upstream: 'app' })
  app.addHook('preValidation', async request => { t.equal(request.method, 'POST') })
  app.addHook('preParsing', async (request, _reply, payload) => { t.equal(request.method, 'POST'); return payload })
  const address = await app.listen({ port: 0 })
  t.equal((await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).status, 200)
})

t.test('a preParsing hook may replace the body, by a longer one too', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.proxy('/*', {
    upstream: 'app',
    preParsing: async (_request, _reply, payload) => {
      const replaced = new PassThrough()
      pipeline(payload, new Transform({ transform: (chunk, _encoding, done) => done(null, `<${String(chunk)}>`) }), replaced, () => {})
      return replaced
    }
  })
  const seen = await (await fetch(await app.listen({ port: 0 }), { method: 'POST', body: 'x' })).json() as Seen
  t.equal(seen.body, '<x>')
})

t.test('a hook that reads the body away is reported', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.addHook('preHandler', async request => { for await (const chunk of request.raw) t.equal(String(chunk), 'x') })
  app.proxy('/*', { upstream: 'app' })
  const answer = await fetch(await app.listen({ port: 0 }), { method: 'POST', body: 'x' })
  t.match(await answer.json(), { statusCode: 500, code: 'SLUICE_BODY_CONSUMED' })
})

t.test('registered in two scopes of one app, both work', async t => {
  const backend = await echoBackend(t)
  const app = Fastify()
  t.teardown(() => app.close())
  for (const prefix of ['/one', '/two']) {
    app.register(async scope => {
      await scope.register(sluice)
      scope.upstream('app', { targets: [backend.url] })
      scope.proxy('/*', { upstream: 'app', websocket: true })
    }, { prefix })
  }
  const address = await app.listen({ port: 0 })
  for (const path of ['/one/ws', '/two/ws']) {
    const socket = await openSocket(address + path)
    socket.send(path)
    t.equal(await nextMessage(socket), path)
  }
})

t.test('the onResponse hooks of a WebSocket route run when its session has ended', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  const responded = new Promise<number>(resolve => {
    app.addHook('onResponse', async (_request, reply) => { resolve(reply.statusCode) })
  })
  app.upstream('app', { targets: [backend.url] })
  app.proxy('/*', { upstream: 'app', websocket: true })
  const socket = await openSocket(await app.listen({ port: 0 }))
  socket.close()
  t.equal(await responded, 101)
})
