import { FastifyOtelInstrumentation } from '@fastify/otel'
import { trace } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { once, EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyRequest } from 'fastify'
import t from 'tap'
import sluice from '../../../src/index.js'
import { handshake } from '../../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../../helpers/raw-target.js'
import { Wire } from '../../helpers/wire.js'

// Issue 8, item 10: spans that are made while a request is served belong to its own trace, not to that of another.

t.test('spans belong to the traces of their own requests, over reused connections and for sessions', async t => {
  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  provider.register()
  t.teardown(() => provider.shutdown())
  const tracer = provider.getTracer('test')
  const instrumentation = new FastifyOtelInstrumentation()
  instrumentation.setTracerProvider(provider)

  const events = new EventEmitter()
  let looked: string[] = []
  const traces = new Map<string, string>()
  const strays: string[] = []
  /** A span as the app might make it. */
  const look = (where: string, request: Pick<FastifyRequest, 'id'>): void => {
    const span = tracer.startSpan(where)
    span.end()
    const wanted = traces.get(request.id)
    const got = span.spanContext().traceId
    if (wanted !== got) strays.push(`${where}: ${request.id}`)
    looked.push(where)
    events.emit('looked')
  }
  const target = await rawTarget(t)
  const log: Array<{ reqId: string | undefined, msg: string, trace: string | undefined }> = []
  const app = Fastify({
    logger: {
      level: 'info',
      stream: { write: (line: string) => { log.push(JSON.parse(line) as never) } },
      mixin: () => ({ trace: trace.getActiveSpan()?.spanContext().traceId })
    }
  })
  t.teardown(() => app.close())
  await app.register(instrumentation.plugin())
  await app.register(sluice)
  app.addHook('preHandler', async request => { traces.set(request.id, request.opentelemetry().span!.spanContext().traceId) })
  app.addHook('onResponse', async request => { look('onResponse', request) })
  app.upstream('main', { targets: [target.url], retries: 0 })
  app.proxy('/*', {
    upstream: 'main',
    headers: { response: { 'X-Seen': (_value, request) => { look('headers.response', request); return 'yes' } } },
    websocket: {
      closeTimeout: 200,
      onSession: ({ request }) => { look('onSession', request) },
      onSessionEnd: ({ request }) => { look('onSessionEnd', request) }
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const until = async (where: string, count: number): Promise<void> => {
    while (looked.filter(one => one === where).length < count) await once(events, 'looked')
  }

  let server: Wire | undefined
  for (let count = 1; count <= 4; count++) {
    const client = await Wire.connect(t, port)
    client.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    server ??= await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
    await client.head()
    server.write(count === 4 ? 'o' : 'ok')
    if (count === 4) server.end()
    else await until('onResponse', count)
    if (count === 4) await client.rest()
  }
  t.equal(target.connections, 1)
  looked = []
  const client = await Wire.connect(t, port)
  client.write(handshake())
  const session = await target.next()
  session.write(goodResponse(await session.head()))
  await client.head()
  session.reset()
  await until('onSessionEnd', 1)
  await until('onResponse', 1)
  t.strictSame(strays, [])
  t.strictSame(
    log.filter(({ reqId, msg }) => reqId !== undefined && /session ended|broke off/.test(msg)).map(({ reqId, msg, trace }) => [msg, trace === traces.get(reqId!)]),
    [['the response of the upstream broke off', true], ['websocket session ended', true]]
  )
  const requests = exporter.getFinishedSpans().filter(({ name }) => name === 'headers.response')
  t.equal(new Set(requests.map(span => span.spanContext().traceId)).size, 5, 'each in a trace of its own')
})
