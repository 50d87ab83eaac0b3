import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { FastifyInstance } from 'fastify'
import admin from '../../src/admin/index.js'
import { echoBackend, gatewayApp, httpBackend } from '../helpers/backends.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'

interface Result { status: number, body: any }

async function start (t: Test): Promise<{ app: FastifyInstance, url: string, target: string, ask (method: string, path: string, body?: object): Promise<Result> }> {
  const { url: target } = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(admin, { port: 0 })
  app.upstream('app', { targets: [target] })
  app.proxy('/chat/*', { upstream: 'app', websocket: true, constraints: { headers: { 'x-room': 'blue' } } })
  app.proxy('/*', { upstream: 'app', websocket: true, method: ['GET', 'POST'] })
  const url = await app.listen({ port: 0 })
  const ask = async (method: string, path: string, body?: object): Promise<Result> => {
    const response = await fetch(app.gatewayAdmin.address + path, { method, ...body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } })
    return { status: response.status, body: response.headers.get('content-type')?.includes('json') === true ? await response.json() : await response.text() }
  }
  return { app, url, target, ask }
}

t.test('health, before, while and after it serves', async t => {
  const { url: target } = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(admin, { port: 0 })
  app.proxy('/*', { upstream: target, websocket: true })
  t.throws(() => app.gatewayAdmin.address, /when the app is ready/)
  await app.ready()
  const ready = async (path = '/readyz'): Promise<unknown> => {
    const response = await fetch(app.gatewayAdmin.address + path)
    return [response.status, await response.json()]
  }
  t.same(await ready(), [503, { status: 'starting' }])
  const url = await app.listen({ port: 0 })
  t.same(await ready(), [200, { status: 'serving' }])
  const socket = await openSocket(url)
  socket.pause()
  const closing = app.close()
  t.same(await ready(), [503, { status: 'stopping' }], 'at once, while sessions are drained')
  t.same(await ready('/healthz'), [200, { status: 'ok' }])
  socket.resume()
  await closing
  await t.rejects(ready())
})

t.test('routes and upstreams', async t => {
  const { ask, target } = await start(t)
  t.match((await ask('GET', '/api/routes')).body, {
    routes: [
      { url: '/chat/*', methods: null, constraints: 'x-room: blue', upstream: 'app', websocket: true },
      { url: '/*', methods: ['GET', 'POST'], constraints: null }
    ]
  })
  t.match((await ask('GET', '/api/upstreams/app')).body, { name: 'app', waiting: 0, targets: [{ url: target, state: 'ready', health: 'healthy', weight: 1 }] })
  t.match(await ask('GET', '/api/upstreams/other'), { status: 404, body: { code: 'SLUICE_ADMIN_NOT_FOUND', message: "Not found: upstream 'other'" } })
  t.match((await ask('GET', '/api')).body, { state: 'serving', routes: 2, upstreams: 1, sessions: 0 })
})

t.test('drains a target', async t => {
  const { ask, target, url, app } = await start(t)
  t.match(await ask('PATCH', '/api/upstreams/app/targets', { url: target, state: 'drain', weight: 7 }), { status: 200, body: { state: 'drain', weight: 7 } })
  t.equal((await fetch(url)).status, 503)
  t.match((await ask('GET', '/api/events')).body.events[0], { kind: 'error', text: /SLUICE_NO_TARGET/, count: 1 })
  t.match((await ask('GET', '/api/events')).body.events[1], { kind: 'target', text: /ready, healthy → drain, healthy/, upstream: 'app', target })
  t.equal((await ask('PATCH', '/api/upstreams/app/targets', { url: 'http://127.0.0.1:1', state: 'drain' })).status, 404)
  t.match(await ask('PATCH', '/api/upstreams/app/targets', { url: target, state: 'asleep' }), { status: 400 })
  t.match(await ask('PATCH', '/api/upstreams/app/targets', { url: target, stat: 'ready' }), { status: 400, body: { message: /additional properties/ } })
  await ask('PATCH', '/api/upstreams/app/targets', { url: target, state: 'ready' })
  t.equal((await fetch(url)).status, 200)
  t.match(await ask('POST', '/api/upstreams/app/rebalance', {}), { status: 200, body: { moved: 0 } })
  t.equal(app.gateway.upstreams.get('app')!.targets[0]!.weight, 7)
})

t.test('a session that is reconnected, by a drain of its target', async t => {
  const [first, second] = [await echoBackend(t), await echoBackend(t)]
  const app = await gatewayApp(t)
  await app.register(admin, { port: 0 })
  app.upstream('app', { targets: [first.url, { url: second.url, priority: 1 }] })
  app.proxy('/*', { upstream: 'app', websocket: { reconnect: { delay: 5 } } })
  const url = await app.listen({ port: 0 })
  const ask = async (path: string, init?: RequestInit): Promise<any> => (await fetch(app.gatewayAdmin.address + path, init)).json()
  const socket = await openSocket(url)
  t.match(await ask('/api/sessions?text=' + first.port), { matching: 1, sessions: [{ target: first.url, reconnects: 0 }] })
  const reconnected = new Promise<void>(resolve => app.gateway.observe({ onReconnect: () => resolve() }))
  await ask('/api/upstreams/app/targets', { method: 'PATCH', body: JSON.stringify({ url: first.url, state: 'drain' }), headers: { 'content-type': 'application/json' } })
  await reconnected
  socket.send('x')
  t.equal(await nextMessage(socket), 'x')
  const { sessions: [{ id }] } = await ask('/api/sessions?text=' + second.port)
  t.match(await ask(`/api/sessions/${id}`), { target: second.url, reconnects: 1 })
  t.match(await ask('/api/sessions?text=' + first.port), { matching: 0 })
  socket.terminate()
})

t.test('lists, filters, sorts and closes sessions', async t => {
  const { ask, url, target } = await start(t)
  const sockets: WebSocket[] = []
  for (const [path, messages] of [['/a', 1], ['/b', 3], ['/c', 2]] as const) {
    const socket = await openSocket(`${url}${path}?token=secret`)
    for (let index = 0; index < messages; index++) {
      socket.send('x')
      await nextMessage(socket)
    }
    sockets.push(socket)
  }
  const special = await openSocket(`${url}/chat/1`, [], { headers: { 'x-room': 'blue' } })
  const all = (await ask('GET', '/api/sessions')).body
  t.match(all, { total: 4, matching: 4, offset: 0, sessions: [{ route: '/*', upstream: 'app', target, client: '127.0.0.1', messagesFromClient: 1, messagesFromTarget: 1, bytesFromClient: 7, subprotocol: null }, {}, {}, { route: '/chat/*' }] })
  t.notMatch(JSON.stringify(all), 'secret')
  t.match((await ask('GET', '/api/sessions?sort=messages&descending=true&limit=2')).body, { matching: 4, sessions: [{ messagesFromClient: 3 }, { messagesFromClient: 2 }] })
  t.match((await ask('GET', '/api/sessions?sort=messages&descending=true&limit=2&offset=2')).body.sessions, [{ messagesFromClient: 1 }, { messagesFromClient: 0 }])
  t.match((await ask('GET', '/api/sessions?text=CHAT')).body, { total: 4, matching: 1 })
  t.match((await ask('GET', '/api/sessions?client=10.0.0.1')).body, { total: 4, matching: 0, sessions: [] })
  t.match(await ask('GET', '/api/sessions?limit=100000'), { status: 400 })
  t.match(await ask('GET', '/api/sessions?sorted=age'), { status: 400 })

  const { id } = all.sessions[0]
  t.match((await ask('GET', `/api/sessions/${id}`)).body, { id })
  t.match(await ask('DELETE', `/api/sessions/${id}?code=1005`), { status: 400, body: { message: /1005 is not a valid close code/ } })
  t.match(await ask('DELETE', `/api/sessions/${id}?reason=${'x'.repeat(200)}`), { status: 400, body: { message: /123 bytes/ } })
  const end = closed(sockets[0]!)
  t.match(await ask('DELETE', `/api/sessions/${id}?code=4000&reason=by+hand`), { status: 200, body: { closed: 1 } })
  t.same(await end, { code: 4000, reason: 'by hand' })
  t.equal((await ask('DELETE', '/api/sessions/unknown')).status, 404)

  const ends = sockets.slice(1).map(closed)
  t.match(await ask('POST', '/api/sessions/close', { filter: { route: '/*' }, code: 1001 }), { status: 200, body: { closed: 2 } })
  t.same((await Promise.all(ends)).map(({ code }) => code), [1001, 1001])
  t.match(await ask('POST', '/api/sessions/close', {}), { status: 400 }, 'all are closed only when asked for')
  const last = closed(special)
  t.match(await ask('POST', '/api/sessions/close', { filter: {} }), { body: { closed: 1 } })
  t.equal((await last).code, 1000)
})

t.test('what an embedded app has not', async t => {
  const { ask } = await start(t)
  t.match(await ask('POST', '/api/reload'), { status: 409, body: { ok: false } })
  t.equal((await ask('GET', '/api/config')).status, 404)
  t.equal((await ask('GET', '/unknown')).status, 404)
})

t.test('the API describes itself', async t => {
  const { ask } = await start(t)
  const { body } = await ask('GET', '/api/openapi.json')
  t.match(body, { openapi: /^3\./, info: { title: 'Sluice admin API' } })
  t.same(Object.entries<object>(body.paths).map(([path, methods]) => `${Object.keys(methods).join(' ')} ${path}`).sort(), [
    'get delete /api/sessions/{id}', 'get /api', 'get /api/config', 'get /api/events', 'get /api/routes', 'get /api/sessions', 'get /api/upstreams',
    'get /api/upstreams/{name}', 'get /healthz', 'get /metrics', 'get /readyz', 'patch /api/upstreams/{name}/targets', 'post /api/reload',
    'post /api/sessions/close', 'post /api/upstreams/{name}/rebalance'
  ].sort())
})

t.test('the feed: what a status page is sent', async t => {
  const { app, url, ask } = await start(t)
  const page = new WebSocket(`${app.gatewayAdmin.address.replace('http', 'ws')}/api/feed`)
  const messages: Array<Record<string, any>> = []
  page.on('message', data => messages.push(JSON.parse(String(data))))
  const next = async (type: string, isMeant: (message: any) => boolean = () => true): Promise<any> => {
    for (;;) {
      const index = messages.findIndex(message => message.type === type && isMeant(message))
      if (index !== -1) return messages.splice(index, 1)[0]
      await once(page, 'message')
    }
  }
  t.match(await next('hello'), { version: /^\d/, points: [], events: [] })
  const socket = await openSocket(`${url}/a`)
  socket.send('hello')
  await (await fetch(url)).text()
  const { point } = await next('tick', ({ point }) => point.messagesFromClients > 0)
  t.match(point, { sessions: 1, errors: 0, eventLoop: Number })
  t.match(await next('sessions', ({ total }) => total === 1), { matching: 1, sessions: [{ route: '/*' }] })
  t.match(await next('upstreams', ({ upstreams }) => upstreams[0].targets[0].sessions === 1), { upstreams: [{ name: 'app' }] })

  page.send(JSON.stringify({ type: 'view', sessions: { filter: { text: 'nothing' }, sort: 'rate', descending: true, offset: 0, limit: 10 } }))
  t.match(await next('sessions', ({ total, matching }) => total === 1 && matching === 0), { sessions: [] })
  for (const rubbish of ['', '{', 'null', '{"type":"view"}', JSON.stringify({ type: 'view', sessions: { filter: {}, sort: 'age', descending: true, offset: 0, limit: 1e9 } })]) {
    page.send(rubbish)
    t.match(await next('error'), { text: /not a valid view/ })
  }
  await ask('PATCH', '/api/upstreams/app/targets', { url: (await ask('GET', '/api/upstreams')).body.upstreams[0].targets[0].url, state: 'maintenance' })
  t.match(await next('event'), { event: { kind: 'target', upstream: 'app' } })
  page.terminate()
})

t.test('a target that fails is an event, with a count and without the secrets of the request', async t => {
  const { url: target } = await httpBackend(t, request => request.socket.destroy())
  const app = await gatewayApp(t)
  await app.register(admin, { port: 0 })
  app.proxy('/*', { upstream: target })
  const url = await app.listen({ port: 0 })
  for (let index = 0; index < 3; index++) await (await fetch(`${url}/?token=secret`, { method: 'POST' })).text()
  const text = await (await fetch(`${app.gatewayAdmin.address}/api/events`)).text()
  t.match(JSON.parse(text).events, [{ kind: 'error', level: 'warn', count: 3, route: '/*', text: /POST 502: SLUICE_TARGET_UNREACHABLE/ }])
  t.notMatch(text, 'secret')
})
