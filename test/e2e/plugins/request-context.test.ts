import requestContextPlugin, { requestContext } from '@fastify/request-context'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import sluice, { type UpstreamOptions } from '../../../src/index.js'
import { handshake } from '../../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../../helpers/raw-target.js'
import { Wire } from '../../helpers/wire.js'

// Issue 8, item 10: what runs for a request sees its own AsyncLocalStorage, not that of the request that has dialled.

declare module '@fastify/request-context' {
  interface RequestContextData { id: string }
}

/** What Fastify logs before the context is there, and when a client has left a stream of any route. */
const BY_FASTIFY = ['incoming request', 'stream closed prematurely']

interface Watched {
  port: number
  target: RawTarget
  /** Resolves when something has run for so many requests. */
  ran (where: string, count: number): Promise<void>
  /** What has run in the context of another request: hooks, functions and log lines. */
  strays (): string[]
}

interface Settings { upstream?: Omit<UpstreamOptions, 'targets'>, onSend?: boolean }

/** A gateway in which everything that may run for a request looks at its context. */
async function watched (t: Test, { upstream, onSend = false }: Settings = {}): Promise<Watched> {
  const target = await rawTarget(t)
  const events = new EventEmitter()
  const counts = new Map<string, number>()
  const strays: string[] = []
  const log: Array<Record<string, unknown>> = []
  const look = (where: string, { id }: Pick<FastifyRequest, 'id'>): void => {
    counts.set(where, (counts.get(where) ?? 0) + 1)
    const seen = requestContext.get('id')
    if (seen !== id) strays.push(`${where}: ${id} sees ${seen}`)
    events.emit('ran')
  }
  const stream = {
    write: (line: string) => {
      const entry = JSON.parse(line) as Record<string, unknown>
      log.push(entry)
      counts.set(String(entry.msg), (counts.get(String(entry.msg)) ?? 0) + 1)
      events.emit('ran')
    }
  }
  const app = Fastify({ logger: { level: 'info', stream, mixin: () => ({ context: requestContext.get('id') }) } })
  t.teardown(() => app.close())
  await app.register(requestContextPlugin)
  app.addHook('onRequest', async request => { requestContext.set('id', request.id) })
  app.addHook('onError', async request => { look('onError', request) })
  app.addHook('onResponse', async request => { look('onResponse', request) })
  if (onSend) app.addHook('onSend', async (request, _reply, payload) => { look('onSend', request); return payload })
  app.setErrorHandler((error, request, reply) => { look('errorHandler', request); reply.send(error) })
  await app.register(sluice)
  app.upstream('main', { targets: [target.url], ...upstream })
  app.proxy('/*', {
    upstream: request => { look('upstream', request); return 'main' },
    headers: {
      request: { 'X-Seen': (_value, request) => { look('headers.request', request); return 'yes' } },
      response: { 'X-Seen': (_value, request) => { look('headers.response', request); return 'yes' } }
    },
    websocket: {
      closeTimeout: 200,
      until: request => { look('until', request); return undefined },
      onSession: ({ request }) => { look('onSession', request) },
      onSessionEnd: ({ request }) => { look('onSessionEnd', request) }
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: (app.server.address() as AddressInfo).port,
    target,
    ran: async (where, count) => { while ((counts.get(where) ?? 0) < count) await once(events, 'ran') },
    strays: () => [...strays, ...log
      .filter(({ reqId, context, msg }) => reqId !== undefined && reqId !== context && !BY_FASTIFY.includes(String(msg)))
      .map(({ reqId, context, msg }) => `log line '${String(msg)}': ${String(reqId)} sees ${String(context)}`)]
  }
}

const GET = 'GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 4\r\n\r\nbody'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Reads a request without a body, or with that of POST. */
async function readRequest (server: Wire): Promise<void> {
  const { start } = await server.head()
  if (start.startsWith('POST')) await server.bytes(4)
}

/** A request by a client of its own, answered on a connection that the target has already. */
async function served (t: Test, { port }: Watched, server: Wire, request = GET): Promise<void> {
  const client = await Wire.connect(t, port)
  client.write(request)
  await readRequest(server)
  server.write(OK)
  await client.head()
  await client.bytes(2)
}

/** The target's connection, dialled by a first request that is done. */
async function dialled (t: Test, gateway: Watched): Promise<Wire> {
  const client = await Wire.connect(t, gateway.port)
  client.write(GET)
  const server = await gateway.target.next()
  await readRequest(server)
  server.write(OK)
  await client.head()
  await client.bytes(2)
  return server
}

for (const onSend of [false, true]) {
  const way = onSend ? 'behind onSend hooks' : 'directly'

  t.test(`requests on a kept-alive connection run in their own contexts, ${way}`, async t => {
    const gateway = await watched(t, { onSend })
    const server = await dialled(t, gateway)
    for (const request of [GET, POST, GET, POST]) await served(t, gateway, server, request)
    await gateway.ran('onResponse', 5)
    await gateway.ran('headers.response', 5)
    if (onSend) await gateway.ran('onSend', 5)
    t.equal(gateway.target.connections, 1)
    t.strictSame(gateway.strays(), [])
  })

  t.test(`a response in pieces, chunked and to the end of the connection, ${way}`, async t => {
    const gateway = await watched(t, { onSend })
    const server = await dialled(t, gateway)
    const client = await Wire.connect(t, gateway.port)
    client.write(POST)
    await readRequest(server)
    server.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    await client.head()
    server.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    await client.head()
    for (const piece of ['1\r\na\r\n', '1\r\nb\r\n', '0\r\n\r\n']) {
      server.write(piece)
      // Node 26 would gather them.
      await client.bytes(piece.length)
    }
    client.write(GET)
    await readRequest(server)
    server.write('HTTP/1.1 200 OK\r\n\r\n')
    await client.head()
    server.end()
    await gateway.ran('onResponse', 3)
    t.strictSame(gateway.strays(), [])
  })

  t.test(`a target that breaks off, is silent or answers garbage, ${way}`, async t => {
    const gateway = await watched(t, { onSend, upstream: { headersTimeout: 100, bodyTimeout: 100, retries: 0 } })
    let errors = 0
    for (const answer of ['garbage\r\n\r\n', '', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', undefined, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n']) {
      const server = await dialled(t, gateway)
      const client = await Wire.connect(t, gateway.port)
      client.write(POST.replace('\r\n', '\r\nConnection: close\r\n'))
      await readRequest(server)
      if (answer !== undefined) server.write(answer)
      if (answer === '' || answer?.endsWith('half') === true) server.end()
      await client.rest()
      client.end()
      if (answer?.includes('200') !== true) await gateway.ran('errorHandler', ++errors)
    }
    await gateway.ran('the response of the upstream broke off', 2)
    t.strictSame(gateway.strays(), [])
  })

  t.test(`a client that leaves, before its response and in the middle of it, ${way}`, async t => {
    const gateway = await watched(t, { onSend })
    for (const begun of [false, true]) {
      const server = await dialled(t, gateway)
      const client = await Wire.connect(t, gateway.port)
      client.write(GET)
      await readRequest(server)
      if (begun) {
        server.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
        await client.head()
      }
      client.reset()
      await gateway.ran('the client has left before the end of its response', begun ? 2 : 1)
    }
    t.strictSame(gateway.strays(), [])
  })

  t.test(`pipelined requests, and one whose client leaves before its turn, ${way}`, async t => {
    const gateway = await watched(t, { onSend })
    const server = await dialled(t, gateway)
    const client = await Wire.connect(t, gateway.port)
    client.write(GET + POST + GET + GET)
    for (let count = 0; count < 3; count++) {
      await readRequest(server)
      server.write(OK)
      await client.head()
      await client.bytes(2)
    }
    await readRequest(server)
    client.write(GET)
    await gateway.ran('upstream', 6)
    client.reset()
    await gateway.ran('the client has left before the end of its response', 2)
    t.strictSame(gateway.strays(), [])
  })
}

t.test('a request that waits for a connection, and one that is sent again', async t => {
  const gateway = await watched(t, { upstream: { maxConnections: 1 } })
  const server = await dialled(t, gateway)
  const clients = [await Wire.connect(t, gateway.port), await Wire.connect(t, gateway.port)]
  for (const client of clients) client.write(GET)
  for (const client of clients) {
    await readRequest(server)
    server.write(OK)
    await client.head()
    await client.bytes(2)
  }
  const client = await Wire.connect(t, gateway.port)
  client.write(GET)
  await readRequest(server)
  const waiting = await Wire.connect(t, gateway.port)
  waiting.write(POST)
  await gateway.ran('headers.request', 5)
  server.reset()
  for (let count = 0; count < 2; count++) {
    const again = await gateway.target.next()
    await again.head()
    again.write(OK.replace('OK\r\n', 'OK\r\nConnection: close\r\n'))
    again.end()
  }
  for (const one of [client, waiting]) t.match((await one.head()).start, / 200 /)
  await gateway.ran('onResponse', 5)
  t.strictSame(gateway.strays(), [])
})

t.test('sessions and refused handshakes', async t => {
  const gateway = await watched(t, { onSend: true })
  await dialled(t, gateway)
  let count = 0
  for (const end of ['client', 'target'] as const) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await gateway.target.next()
    server.write(goodResponse(await server.head()))
    await client.head()
    if (end === 'client') client.reset()
    else server.reset()
    await gateway.ran('onSessionEnd', ++count)
  }
  for (const refusal of ['HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', 'garbage\r\n\r\n']) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await gateway.target.next()
    await server.head()
    server.write(refusal)
    await client.rest()
    client.end()
  }
  for (const where of ['until', 'onSession', 'onSessionEnd', 'websocket session ended']) await gateway.ran(where, 2)
  await gateway.ran('onResponse', 5)
  await gateway.ran('errorHandler', 1)
  t.strictSame(gateway.strays(), [])
})

t.test('a handshake behind another request on its connection', async t => {
  const gateway = await watched(t)
  const server = await dialled(t, gateway)
  const client = await Wire.connect(t, gateway.port)
  client.write(GET + handshake())
  await readRequest(server)
  server.write(OK)
  await client.head()
  await client.bytes(2)
  const session = await gateway.target.next()
  session.write(goodResponse(await session.head()))
  await client.head()
  client.reset()
  await gateway.ran('onSessionEnd', 1)
  await gateway.ran('onResponse', 3)
  t.strictSame(gateway.strays(), [])
})
