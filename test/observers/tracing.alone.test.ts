import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { context, propagation, SpanKind, SpanStatusCode, trace, type HrTime } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-node'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import sluice, { type GatewayOptions, type ProxyRouteOptions, type UpstreamOptions } from '../../src/index.js'
import { Tracing } from '../../src/observers/tracing.js'
import type { Exchange } from '../../src/proxy/exchange.js'
import { ask } from '../helpers/ask.js'
import { echoBackend, gatewayApp, httpBackend, type Seen } from '../helpers/backends.js'
import { refusingPort } from '../helpers/raw-target.js'
import { closed, nextMessage, openSocket, refusal } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

const CLIENT_TRACE = '0af7651916cd43dd8448eb211c80319c'
const CLIENT_SPAN = 'b7ad6b7169203331'
const TRACEPARENT = `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`

const exporter = new InMemorySpanExporter()

t.before(() => { new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register() })
t.beforeEach(() => exporter.reset())
t.teardown(() => {
  trace.disable()
  propagation.disable()
  context.disable()
})

interface Traced { app: FastifyInstance, url: string, log: Array<Record<string, unknown>>, ended: (count?: number) => Promise<void> }

async function start (t: Test, targets: UpstreamOptions['targets'], { plugin = {}, route = {}, before }: { plugin?: GatewayOptions, route?: Partial<ProxyRouteOptions>, before?: (app: FastifyInstance) => Promise<unknown> } = {}): Promise<Traced> {
  const log: Traced['log'] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(JSON.parse(line) as never) } } } })
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(sluice, { tracing: true, accessLog: true, ...plugin })
  app.upstream('app', { targets })
  app.proxy('/app/*', { upstream: 'app', websocket: true, ...route })
  const url = await app.listen({ port: 0 })
  const events = new EventEmitter()
  const ends: Exchange[] = []
  app.gateway.observe({
    onEnd: exchange => {
      ends.push(exchange)
      events.emit('end')
    }
  })
  return { app, url, log, ended: async (count = 1) => { while (ends.length < count) await once(events, 'end') } }
}

const spans = (): ReadableSpan[] => exporter.getFinishedSpans()
const named = (name: string): ReadableSpan => {
  const found = spans().find(span => span.name === name)
  if (found === undefined) throw new Error(`no span '${name}' among ${spans().map(span => span.name).join(', ')}`)
  return found
}
const nanoseconds = ([seconds, rest]: HrTime): bigint => BigInt(seconds) * 1_000_000_000n + BigInt(rest)

t.test('a request: a span that continues the trace of the client, one of the attempt below it, and its context for the target', async t => {
  const backend = await echoBackend(t)
  const { url, log, ended } = await start(t, [backend.url])
  const response = await ask(`${url}/app/page?token=secret&a=1`, { headers: { traceparent: TRACEPARENT, tracestate: 'vendor=1', baggage: 'user=7', 'user-agent': 'test/1' } })
  const seen = JSON.parse(response.body.toString()) as Seen
  await ended()
  const server = named('GET /app/*')
  const attempt = named('GET')
  t.equal(server.kind, SpanKind.SERVER)
  t.equal(server.spanContext().traceId, CLIENT_TRACE)
  t.match(server.parentSpanContext, { spanId: CLIENT_SPAN, isRemote: true })
  t.match(server.attributes, {
    'http.request.method': 'GET',
    'http.route': '/app/*',
    'http.response.status_code': 200,
    'url.scheme': 'http',
    'url.path': '/app/page',
    'url.query': 'token=[redacted]&a=1',
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(url).port),
    'client.address': '127.0.0.1',
    'user_agent.original': 'test/1',
    'sluice.kind': 'request',
    'sluice.upstream': 'app',
    'sluice.attempts': 1,
    'sluice.by': 'target',
    'sluice.reason': 'complete'
  })
  t.equal(server.status.code, SpanStatusCode.UNSET)
  t.equal(attempt.kind, SpanKind.CLIENT)
  t.equal(attempt.parentSpanContext?.spanId, server.spanContext().spanId)
  t.match(attempt.attributes, {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'server.address': '127.0.0.1',
    'server.port': backend.port,
    'url.full': `${backend.url}/app/page?token=[redacted]&a=1`,
    'sluice.target': backend.url
  })
  t.strictSame(attempt.events.map(({ name }) => name), ['connected', 'request sent', 'response head'])
  for (const { time } of attempt.events) t.ok(nanoseconds(time) >= nanoseconds(server.startTime) && nanoseconds(time) <= nanoseconds(server.endTime), 'within the request')
  t.equal(seen.headers.traceparent, `00-${CLIENT_TRACE}-${attempt.spanContext().spanId}-01`)
  t.equal(seen.headers.tracestate, 'vendor=1')
  t.equal(seen.headers.baggage, 'user=7')
  t.equal(seen.rawHeaders.filter(name => name.toLowerCase() === 'traceparent').length, 1)
  t.match(log.find(({ kind }) => kind === 'request'), { trace_id: CLIENT_TRACE, span_id: server.spanContext().spanId })
})

t.test('the context of a client that nobody trusts: a trace of its own, with a link', async t => {
  const backend = await echoBackend(t)
  const { url, ended } = await start(t, [backend.url], { plugin: { tracing: { trustParent: false } } })
  const response = await ask(`${url}/app/page`, { headers: { traceparent: TRACEPARENT, tracestate: 'vendor=1', baggage: 'user=7' } })
  const { headers } = JSON.parse(response.body.toString()) as Seen
  await ended()
  const server = named('GET /app/*')
  t.not(server.spanContext().traceId, CLIENT_TRACE)
  t.equal(server.parentSpanContext, undefined)
  t.match(server.links, [{ context: { traceId: CLIENT_TRACE, spanId: CLIENT_SPAN } }])
  t.match(headers.traceparent, new RegExp(`^00-${server.spanContext().traceId}-`))
  t.equal(headers.tracestate, undefined, 'it belongs to the other trace')
  t.equal(headers.baggage, undefined)
})

t.test("a header rule of the route has the last word about the target's trace context", async t => {
  const backend = await echoBackend(t)
  const { url } = await start(t, [backend.url], { route: { headers: { request: { traceparent: null } } } })
  const { headers } = JSON.parse((await ask(`${url}/app/page`)).body.toString()) as Seen
  t.equal(headers.traceparent, undefined)
})

t.test('each attempt is a span, and a failed one says why', async t => {
  const backend = await echoBackend(t)
  const lost = `http://127.0.0.1:${await refusingPort()}`
  const { url, ended } = await start(t, [lost, { url: backend.url, priority: 1 }])
  const { headers } = JSON.parse((await ask(`${url}/app/page`)).body.toString()) as Seen
  await ended()
  const [first, second] = spans().filter(({ kind }) => kind === SpanKind.CLIENT)
  t.match(first!.attributes, { 'error.type': 'SLUICE_TARGET_UNREACHABLE', 'sluice.target': lost })
  t.match(first!.status, { code: SpanStatusCode.ERROR, message: /ECONNREFUSED/ })
  t.equal(first!.attributes['http.request.resend_count'], undefined)
  t.match(second!.attributes, { 'http.request.resend_count': 1, 'http.response.status_code': 200, 'sluice.target': backend.url })
  t.match(headers.traceparent, new RegExp(second!.spanContext().spanId))
  t.match(named('GET /app/*').attributes, { 'sluice.attempts': 2 })
  t.equal(named('GET /app/*').status.code, SpanStatusCode.UNSET)
})

t.test("an error of the gateway's own, and one of the target's", async t => {
  const { url, ended } = await start(t, [`http://127.0.0.1:${await refusingPort()}`])
  t.equal((await ask(`${url}/app/page`)).status, 502)
  await ended()
  t.match(named('GET /app/*'), {
    attributes: { 'http.response.status_code': 502, 'error.type': 'SLUICE_TARGET_UNREACHABLE', 'sluice.reason': 'error', 'sluice.by': 'target' },
    status: { code: SpanStatusCode.ERROR }
  })
  exporter.reset()
  const backend = await httpBackend(t, (_request, response) => response.writeHead(503).end())
  const other = await start(t, [backend.url])
  await ask(`${other.url}/app/page`)
  await other.ended()
  t.match(named('GET /app/*'), { attributes: { 'http.response.status_code': 503, 'error.type': '503' }, status: { code: SpanStatusCode.ERROR } })
  t.match(named('GET'), { attributes: { 'http.response.status_code': 503, 'error.type': '503' }, status: { code: SpanStatusCode.ERROR } })
})

t.test('a response that breaks off, and a client that leaves', async t => {
  const backend = await httpBackend(t, (request, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('half')
    if (request.url!.endsWith('broken')) response.socket!.end()
  })
  const { url, ended } = await start(t, [backend.url])
  await t.rejects(fetch(`${url}/app/broken`).then(response => response.text()))
  await ended()
  t.match(named('GET /app/*'), { attributes: { 'sluice.reason': 'broken-off' }, status: { code: SpanStatusCode.ERROR } })
  t.match(named('GET').status, { code: SpanStatusCode.ERROR })
  exporter.reset()
  const leaving = new AbortController()
  const response = await fetch(`${url}/app/left`, { signal: leaving.signal })
  const text = response.text()
  leaving.abort()
  await t.rejects(text)
  await ended(2)
  t.match(named('GET /app/*'), { attributes: { 'sluice.by': 'client', 'sluice.reason': 'left' }, status: { code: SpanStatusCode.UNSET } })
  t.match(named('GET').status, { code: SpanStatusCode.UNSET })
})

t.test('a method that a client made up names no span', async t => {
  const backend = await echoBackend(t)
  const { url, ended } = await start(t, [backend.url], { before: async app => app.addHttpMethod('PROPFIND') })
  await ask(`${url}/app/page`, { method: 'PROPFIND' })
  await ended()
  t.match(named('HTTP /app/*').attributes, { 'http.request.method': '_OTHER', 'http.request.method_original': 'PROPFIND' })
})

t.test('a session: its handshake ends with the 101, and a span below it lasts as long as the session', async t => {
  const backend = await echoBackend(t)
  let seen: Seen['headers'] = {}
  backend.sockets.on('connection', (_socket, request) => { seen = request.headers })
  const { url, log, ended } = await start(t, [backend.url])
  const socket = await openSocket(`${url}/app/chat`, [], { headers: { traceparent: TRACEPARENT } })
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
  const handshake = named('GET /app/*')
  const attempt = named('GET')
  t.match(handshake.attributes, { 'http.response.status_code': 101, 'sluice.kind': 'handshake', 'sluice.upstream': 'app' })
  t.equal(handshake.spanContext().traceId, CLIENT_TRACE)
  t.match(attempt.attributes, { 'http.response.status_code': 101 })
  t.equal(seen.traceparent, `00-${CLIENT_TRACE}-${attempt.spanContext().spanId}-01`)
  t.equal(spans().length, 2, 'the session is still open')
  socket.close(4001)
  await closed(socket)
  await ended()
  const session = named('WebSocket /app/*')
  t.equal(session.parentSpanContext?.spanId, handshake.spanContext().spanId)
  const line = log.find(({ msg }) => msg === 'websocket session ended') as { session: { id: string } }
  t.match(session.attributes, {
    'http.route': '/app/*',
    'sluice.upstream': 'app',
    'sluice.target': backend.url,
    'sluice.session.id': line.session.id,
    'sluice.by': 'client',
    'sluice.reason': 'close',
    'sluice.session.close_code': 4001,
    'sluice.session.client.messages': 1,
    'sluice.session.target.messages': 1,
    'sluice.session.target.bytes': 7 + 4
  })
  t.match(line, { trace_id: CLIENT_TRACE, span_id: session.spanContext().spanId })
})

t.test('a session that is reconnected: an event of its span, and a span for each attempt', async t => {
  const backend = await echoBackend(t)
  const seen: string[] = []
  backend.sockets.on('connection', (_socket, request) => { seen.push(request.headers.traceparent as string) })
  let refuses = false
  backend.sockets.options.verifyClient = (_info, done) => {
    if (refuses) done(false, 503)
    else done(true)
    refuses = false
  }
  const { url, ended } = await start(t, [backend.url], { route: { websocket: { reconnect: { delay: 5, attempts: 2 } } } })
  const socket = await openSocket(`${url}/app/chat`, [], { headers: { traceparent: TRACEPARENT } })
  refuses = true
  for (const client of backend.sockets.clients) client.terminate()
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
  backend.server.close()
  for (const client of backend.sockets.clients) client.terminate()
  await closed(socket)
  await ended()
  const session = named('WebSocket /app/*')
  t.match(session.events, [
    { name: 'reconnected', attributes: { 'sluice.target': backend.url, 'sluice.reconnect.attempt': 2 } },
    { name: 'reconnect failed', attributes: { 'sluice.reconnect.attempt': 2 } }
  ])
  t.match(session.attributes, { 'sluice.session.reconnects': 1 })
  const attempts = spans().filter(({ name }) => name === 'GET')
  t.match(attempts.map(({ attributes }) => attributes['http.response.status_code']), [101, undefined, 101])
  t.match(attempts.map(({ status }) => status.code), [SpanStatusCode.UNSET, SpanStatusCode.ERROR, SpanStatusCode.UNSET])
  t.match(attempts[1]!.status.message, '503')
  for (const attempt of attempts) t.equal(attempt.spanContext().traceId, CLIENT_TRACE)
  t.same(seen, [attempts[0], attempts[2]].map(attempt => `00-${CLIENT_TRACE}-${attempt!.spanContext().spanId}-01`))
})

t.test('a refused handshake', async t => {
  const backend = await httpBackend(t, (_request, response) => response.writeHead(401).end())
  const { url, ended } = await start(t, [backend.url])
  backend.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n'))
  t.equal((await refusal(`${url}/app/chat`)).status, 401)
  await ended()
  t.match(named('GET /app/*'), { attributes: { 'http.response.status_code': 401, 'sluice.reason': 'refused', 'sluice.kind': 'handshake' }, status: { code: SpanStatusCode.UNSET } })
  t.match(named('GET'), { attributes: { 'http.response.status_code': 401 }, status: { code: SpanStatusCode.ERROR } })
})

t.test('beside @fastify/otel: its span of the request is the parent, on both legs', async t => {
  const backend = await echoBackend(t)
  let seen: Seen['headers'] = {}
  backend.sockets.on('connection', (_socket, request) => { seen = request.headers })
  const instrumentation = new FastifyOtelInstrumentation()
  instrumentation.setTracerProvider(trace.getTracerProvider())
  const { url, ended } = await start(t, [backend.url], { before: async app => app.register(instrumentation.plugin()) })
  const response = await ask(`${url}/app/page`, { headers: { traceparent: TRACEPARENT } })
  await ended()
  const socket = await openSocket(`${url}/app/chat`, [], { headers: { traceparent: TRACEPARENT } })
  socket.close()
  await closed(socket)
  await ended(2)
  t.match((JSON.parse(response.body.toString()) as Seen).headers.traceparent, new RegExp(`^00-${CLIENT_TRACE}-`))
  t.match(seen.traceparent, new RegExp(`^00-${CLIENT_TRACE}-`))
  const own = spans().filter(({ name, instrumentationScope }) => instrumentationScope.name === 'sluice' && name === 'GET /app/*')
  t.equal(own.length, 2)
  for (const span of own) {
    t.equal(span.kind, SpanKind.INTERNAL)
    t.equal(span.spanContext().traceId, CLIENT_TRACE)
    const parent = spans().find(other => other.spanContext().spanId === span.parentSpanContext?.spanId)
    t.equal(parent?.instrumentationScope.name, '@fastify/otel')
  }
})

t.test('a target at a Unix socket has a path, and no URL', async t => {
  const path = join(await temporaryFolder(t), 'socket')
  const server = createServer((_request, response) => { response.end('ok') })
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => { server.close().closeAllConnections() })
  const { url, ended } = await start(t, [`unix:${path}`])
  t.equal((await ask(`${url}/app/page`)).status, 200)
  await ended()
  const { attributes } = named('GET')
  t.match(attributes, { 'server.address': path, 'network.transport': 'unix', 'http.response.status_code': 200 })
  t.notOk('url.full' in attributes || 'server.port' in attributes)
})

t.test('an SDK that samples nothing: the context goes on, marked so', async t => {
  const backend = await echoBackend(t)
  const { url } = await start(t, [backend.url])
  const response = await ask(`${url}/app/page`, { headers: { traceparent: TRACEPARENT.replace(/01$/, '00') } })
  t.match((JSON.parse(response.body.toString()) as Seen).headers.traceparent, new RegExp(`^00-${CLIENT_TRACE}-.*-00$`))
  t.strictSame(spans(), [])
})

t.test('without the option nothing is made, and what a client sends goes on as it came', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url })
  const url = await app.listen({ port: 0 })
  const { headers } = JSON.parse((await ask(`${url}/`, { headers: { traceparent: TRACEPARENT } })).body.toString()) as Seen
  t.equal(headers.traceparent, TRACEPARENT)
  t.strictSame(spans(), [])
})

t.test('switched off while a session is open: its span still ends', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  const tracing = new Tracing()
  await tracing.load()
  tracing.configure({ tracing: true })
  app.gateway.observe(tracing)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  const url = await app.listen({ port: 0 })
  const socket = await openSocket(url)
  tracing.configure({ tracing: false })
  const ended = new Promise<void>(resolve => app.gateway.observe({ onEnd: () => resolve() }))
  await ask(url)
  socket.close()
  await closed(socket)
  await ended
  t.strictSame(spans().map(({ name }) => name), ['GET', 'GET /*', 'WebSocket /*'])
})

t.test('no SDK: a warning, and nothing is changed', async t => {
  trace.disable()
  propagation.disable()
  context.disable()
  const backend = await echoBackend(t)
  const { url, log, ended } = await start(t, [backend.url])
  const { headers } = JSON.parse((await ask(`${url}/app/page`, { headers: { traceparent: TRACEPARENT } })).body.toString()) as Seen
  await ended()
  t.equal(headers.traceparent, TRACEPARENT)
  t.match(log.find(({ level }) => level === 40), { msg: /no SDK of OpenTelemetry is registered/ })
  t.equal(log.find(({ kind }) => kind === 'request')!.trace_id, undefined)
})
