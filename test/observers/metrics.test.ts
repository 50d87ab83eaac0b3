import { readdir, stat } from 'node:fs/promises'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { metrics, openMetricsOf, type MeasuredGateway } from '../../src/observers/metrics.js'
import { Counters } from '../../src/observers/counters.js'
import type { Exchange } from '../../src/proxy/exchange.js'
import { echoBackend, gatewayApp, httpBackend } from '../helpers/backends.js'
import { closed, nextMessage, openSocket, refusal } from '../helpers/sockets.js'
import { samplesOf } from '../helpers/metrics.js'

const nothing: MeasuredGateway = { counters: new Counters(), sessions: { list: () => [] }, upstreams: { list: () => [] } }

async function start (t: Test) {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.addHook('onRequest', async (request, reply) => { if (request.url === '/forbidden') await reply.code(401).send('no') })
  app.proxy('/*', { upstream: 'app', websocket: { protocols: ['chat'] } })
  const url = await app.listen({ port: 0 })
  const registry = metrics(app.gateway)
  return { app, url, read: async () => samplesOf(await registry.metrics()) }
}

t.test('requests by method class and status class, which clients do not choose', async t => {
  const { url, read } = await start(t)
  for (const method of ['GET', 'GET', 'POST', 'PATCH', 'PROPFIND']) await (await fetch(`${url}/a?b=${method}`, { method })).text()
  await (await fetch(`${url}/forbidden`)).text()
  const found = await read()
  t.equal(found.value('sluice_requests_total', { route: '/*', upstream: 'app', method: 'GET', status: '2xx' }), 2)
  t.equal(found.value('sluice_requests_total', { method: 'POST', status: '2xx' }), 1)
  t.equal(found.value('sluice_requests_total', { method: 'PATCH' }), 1)
  t.equal(found.value('sluice_requests_total', { upstream: '', status: '4xx' }), 1, 'a hook has responded')
  t.equal(found.value('sluice_request_duration_seconds_count', { method: 'GET', status: '2xx' }), 2)
  t.equal(found.value('sluice_request_duration_seconds_bucket', { method: 'GET', status: '2xx', le: '+Inf' }), 2)
  t.ok(found.value('sluice_body_bytes_total', { direction: 'target_to_client', upstream: 'app' })! > 100)
  t.equal(found.value('sluice_target_up', { upstream: 'app' }), 1)
  t.notMatch(found.text, /PROPFIND|b=GET|forbidden/)
})

t.test('a session is not observed as a request duration; the time to its 101 is', async t => {
  const { app, url, read } = await start(t)
  const socket = await openSocket(`${url}/chat`, ['chat'])
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
  const open = await read()
  t.equal(open.value('sluice_requests_total', { status: '1xx' }), 1)
  t.equal(open.value('sluice_websocket_sessions', { route: '/*', upstream: 'app' }), 1)
  t.equal(open.value('sluice_websocket_messages_total', { direction: 'client_to_target' }), 1, 'live')
  t.equal(open.value('sluice_websocket_bytes_total', { direction: 'target_to_client' }), 7)
  t.equal(open.value('sluice_target_load', { kind: 'session' }), 1)
  t.equal(open.value('sluice_websocket_handshakes_total', { outcome: 'accepted', by: 'target' }), 1)
  // Both its connections are gone.
  const ended = new Promise<void>(resolve => app.gateway.observe({ onEnd: () => resolve() }))
  socket.close(4001)
  await closed(socket)
  await ended
  const found = await read()
  t.equal(found.value('sluice_requests_total', { status: '1xx' }), 1)
  t.equal(found.value('sluice_request_duration_seconds_count', {}), 1)
  t.equal(found.value('sluice_websocket_sessions', {}), 0)
  t.equal(found.value('sluice_websocket_sessions_opened_total', {}), 1)
  t.equal(found.value('sluice_websocket_sessions_ended_total', { by: 'client', reason: 'close', code: '4xxx' }), 1)
  t.equal(found.value('sluice_websocket_session_duration_seconds_count', {}), 1)
  t.equal(found.value('sluice_websocket_messages_total', { direction: 'client_to_target' }), 1, 'no less than before')
})

t.test('reconnects, those that succeeded and those that failed', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.proxy('/plain', { upstream: 'app', websocket: true })
  app.proxy('/*', { upstream: 'app', websocket: { reconnect: { delay: 5, attempts: 1, maxDelay: 5 } } })
  const url = await app.listen({ port: 0 })
  const registry = metrics(app.gateway)
  const count = async (outcome: string): Promise<number | undefined> => samplesOf(await registry.metrics()).value('sluice_websocket_reconnects_total', { route: '/*', upstream: 'app', outcome })
  t.equal(await count('succeeded'), undefined)
  const socket = await openSocket(url)
  const reconnected = new Promise<void>(resolve => app.gateway.observe({ onReconnect: () => resolve() }))
  for (const client of backend.sockets.clients) client.terminate()
  await reconnected
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
  t.same([await count('succeeded'), await count('failed')], [1, 0])
  t.equal(samplesOf(await registry.metrics()).value('sluice_retries_total', { route: '/*' }), 0)
  backend.server.close()
  for (const client of backend.sockets.clients) client.terminate()
  await closed(socket)
  t.same([await count('succeeded'), await count('failed')], [1, 1])
})

t.test('handshakes by outcome', async t => {
  const { url, read } = await start(t)
  t.equal((await refusal(`${url}/forbidden`)).status, 401)
  t.equal((await refusal(`${url}/chat`, { headers: { 'sec-websocket-protocol': 'other' } })).status, 400)
  const found = await read()
  t.equal(found.value('sluice_websocket_handshakes_total', { outcome: 'hook', by: 'gateway' }), 1)
  t.equal(found.value('sluice_websocket_handshakes_total', { outcome: 'error', by: 'client' }), 1)
})

t.test('an event stream is observed by the time to its head', async t => {
  const backend = await httpBackend(t, (_request, response) => response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end('data: 1\n\n'))
  const app = await gatewayApp(t)
  app.proxy('/events', { upstream: backend.url })
  const url = await app.listen({ port: 0 })
  const ended = new Promise<Exchange>(resolve => app.gateway.observe({ onEnd: resolve }))
  await (await fetch(`${url}/events`)).text()
  const { isEventStream, acceptedAt, firstByteAt } = await ended
  t.equal(isEventStream, true)
  const found = samplesOf(await metrics(app.gateway).metrics())
  t.equal(found.value('sluice_request_duration_seconds_sum', {}), (firstByteAt - acceptedAt) / 1000)
})

t.test('what an observer throws is logged, and ends nothing', async t => {
  const { app, url, read } = await start(t)
  const stop = app.gateway.observe({ onEnd: () => { throw new Error('a defect') } })
  t.equal((await fetch(url)).status, 200)
  stop()
  t.equal((await fetch(url)).status, 200)
  t.equal((await read()).value('sluice_requests_total', {}), 2)
})

t.test('OpenMetrics, which leaves the first registry as it was', async t => {
  const { url, app } = await start(t)
  await (await fetch(url)).text()
  const registry = metrics(app.gateway)
  const text = await openMetricsOf(registry).metrics()
  t.match(text, /# TYPE sluice_requests counter\nsluice_requests_total\{/)
  t.match(text, /# EOF\n$/)
  t.match(await registry.metrics(), /# TYPE sluice_requests_total counter/)
})

t.test("an app's own registry", async t => {
  const registry = new Registry()
  t.equal(metrics(nothing, { registry }), registry)
  t.throws(() => metrics(nothing, { registry }), /already been registered/)
  const text = await registry.metrics()
  t.match(text, /sluice_config_last_reload_successful 1/)
  t.notMatch(text, /nodejs_|process_/, 'the app has those itself')
  t.match(await metrics(nothing).metrics(), /process_cpu_seconds_total/)
})

t.test('routes and upstreams that code makes up are bounded', async t => {
  const counters = new Counters()
  for (let index = 0; index < 5_000; index++) {
    counters.of(`/${index}`)
    counters.of('/one', `http://${index}.example`)
  }
  t.equal(new Set(counters.routes.map(({ route }) => route)).size, 4_097)
  t.equal(counters.of('/one', 'http://4999.example').upstream, 'others')
  t.equal(counters.of('/4999').route, 'others')
})

t.test('close codes that peers make up are folded', async t => {
  const counts = new Counters().of('/')
  const traffic = { frames: 0, messages: 0, bytes: 0, stalled: 0 }
  for (const code of [1000, 1006, 1015, 3000, 3999, 4000, 4999, 2999, 0]) {
    counts.countSessionEnd({ by: 'client', reason: 'close', code, closeSent: { client: undefined, target: undefined }, duration: 1, fromClient: traffic, fromTarget: traffic })
  }
  t.same(counts.ends.map(({ labels, count }) => [labels.code, count]), [['1000', 1], ['1006', 1], ['1015', 1], ['3xxx', 2], ['4xxx', 2], ['other', 2]])
})

t.test('an upstream that routes name by its URL has its target there, once, however it is written', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/a', { upstream: `${backend.url}/` })
  app.proxy('/b', { upstream: backend.url.replace('http', 'HTTP') })
  await app.ready()
  const text = await metrics(app.gateway).metrics()
  t.strictSame(text.match(/^sluice_target_up.*$/gm), [`sluice_target_up{upstream="${backend.url}",target="${backend.url}"} 1`])
  t.equal(app.gateway.upstreams.get(backend.url)?.name, backend.url)
})

t.test('the descriptors of the process, without a list of them', { skip: process.platform === 'linux' ? false : 'only Linux has them' }, async t => {
  const found = samplesOf(await metrics(nothing).metrics())
  const { size } = await stat('/proc/self/fd')
  const open = found.value('process_open_fds', {})!
  t.ok(open > 0 && Math.abs(open - (size > 0 ? size : (await readdir('/proc/self/fd')).length)) <= 4, `${open}`)
  t.equal(found.value('nodejs_active_handles', {}), undefined)
})
