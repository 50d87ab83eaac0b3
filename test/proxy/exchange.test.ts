import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { Exchange, Outcome, SessionRequest } from '../../src/index.js'
import { startGateway, type GatewaySettings, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget, refusingPort, type RawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

/*
 * Issue 9, items 1 to 3: each exchange ends once, whatever ends it, with its outcome, and nothing that it counted stays.
 */

interface Watched {
  gateway: RunningGateway
  target: RawTarget
  client: Wire
  events: string[]
  /** The next exchange that ends. */
  ended (): Promise<{ exchange: Exchange, outcome: Outcome }>
}

async function watched (t: Test, settings: Partial<GatewaySettings> = {}): Promise<Watched> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], plugin: { accessLog: true }, ...settings })
  const events: string[] = []
  const ends: Array<{ exchange: Exchange, outcome: Outcome }> = []
  const waiting: Array<() => void> = []
  const listen = (name: string, onMessage: (message: unknown) => void): void => {
    const listener = (message: unknown): void => { onMessage(message) }
    subscribe(name, listener)
    t.teardown(() => unsubscribe(name, listener))
  }
  listen('sluice:exchange:start', message => { events.push(`start ${(message as { exchange: Exchange }).exchange.kind}`) })
  listen('sluice:attempt:start', () => { events.push('attempt') })
  listen('sluice:attempt:error', message => { events.push(`failed ${(message as { error: { code: string } }).error.code}`) })
  listen('sluice:session:open', () => { events.push('session') })
  listen('sluice:exchange:end', message => {
    events.push('end')
    ends.push(message as { exchange: Exchange, outcome: Outcome })
    for (const wake of waiting.splice(0)) wake()
  })
  return {
    gateway,
    target,
    client: await Wire.connect(t, gateway.port),
    events,
    ended: async () => {
      while (ends.length === 0) await new Promise<void>(resolve => waiting.push(resolve))
      return ends.shift()!
    }
  }
}

const REQUEST = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'
const UPLOAD = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'

/** What ends a request, and its outcome. */
const REQUESTS: Record<string, [request: string, act: (watched: Watched) => Promise<unknown>, outcome: object, settings?: Partial<GatewaySettings>]> = {
  'a response': [UPLOAD, async ({ target, client }) => {
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok')
    await client.head()
  }, { by: 'target', reason: 'complete', status: 201, error: undefined }],
  'a response through onSend hooks': [REQUEST, async ({ target, client }) => {
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    await client.head()
  }, { by: 'target', reason: 'complete', status: 200 }, { setup: app => { app.addHook('onSend', async () => {}) } }],
  'a client that leaves before a response': [REQUEST, async ({ target, client }) => {
    await (await target.next()).head()
    client.reset()
  }, { by: 'client', reason: 'left', status: undefined, error: { code: 'SLUICE_CLIENT_LEFT', source: 'client', retryable: false } }],
  'a client that leaves in the middle of one': [REQUEST, async ({ target, client }) => {
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok')
    await client.head()
    client.reset()
  }, { by: 'client', reason: 'left' }],
  'a target that breaks off its response': [REQUEST, async ({ target }) => {
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok').end()
  }, { by: 'target', reason: 'broken-off', status: 200, error: { source: 'target' } }],
  'a target that sends garbage': [REQUEST, async ({ target }) => {
    const server = await target.next()
    await server.head()
    server.write('garbage\r\n\r\n')
  }, { by: 'target', reason: 'error', status: 502, error: { code: 'SLUICE_TARGET_RESPONSE_INVALID' } }],
  'a target that is silent': [REQUEST, async ({ target }) => { await target.next() },
    { by: 'target', reason: 'error', status: 504, error: { code: 'SLUICE_TARGET_TIMEOUT' } }, { upstream: { headersTimeout: 50 } }],
  'a path that leaves the route': ['GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n', async () => {},
    { by: 'client', reason: 'error', status: 400, error: { code: 'SLUICE_PATH_INVALID' } }],
  "a hook's body that fails": [UPLOAD, async () => {}, { by: 'gateway', reason: 'error', status: 500, error: { code: 'SLUICE_BODY_FAILED' } }, {
    setup: app => {
      app.addHook('preParsing', async () => {
        const body = new PassThrough()
        setImmediate(() => body.destroy(new Error('no')))
        return body
      })
    }
  }]
}

for (const [name, [request, act, expected, settings]] of Object.entries(REQUESTS)) {
  t.test(`a request ended by ${name}`, async t => {
    const one = await watched(t, settings)
    one.client.write(request)
    await act(one)
    const { exchange, outcome } = await one.ended()
    t.match(outcome, expected)
    t.match(exchange, { kind: 'request', route: '/*', endedAt: Number })
    t.equal(one.events[0], 'start request')
    t.equal(one.events.filter(event => event === 'end').length, 1)
    t.match(one.gateway.app.gateway.upstreams.get('main')!.targets, [{ requests: 0, handshakes: 0, sessions: 0 }], 'no load is left')
    const line = one.gateway.log.find(({ msg, route }) => msg === 'request completed' && route !== undefined)
    t.match(line, { route: '/*', by: outcome.by, reason: outcome.reason, attempts: exchange.attempts, responseTime: Number, req: { method: /GET|POST/ } })
  })
}

t.test('bytes and timings of a request', async t => {
  const one = await watched(t)
  one.client.write(UPLOAD)
  const server = await one.target.next()
  await server.head()
  t.match(one.gateway.app.gateway.upstreams.get('main')!.targets, [{ requests: 1 }])
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const { exchange: { fromClient, fromTarget, timings, upstream, targetUrl, attempts } } = await one.ended()
  t.same({ fromClient, fromTarget, upstream, targetUrl, attempts }, { fromClient: 5, fromTarget: 2, upstream: 'main', targetUrl: one.target.url, attempts: 1 })
  const { chosen, connected, sent, firstByte, end } = timings
  const steps = [0, chosen, connected, sent, firstByte, end] as number[]
  t.same([...steps].sort((a, b) => a - b), steps, 'in their order')
})

/** What ends a handshake or its session, and the outcome. */
const HANDSHAKES: Record<string, [act: (watched: Watched) => Promise<unknown>, outcome: object, settings?: Partial<GatewaySettings>]> = {
  'a refusal': [async ({ target, client }) => {
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
    await client.head()
  }, { by: 'target', reason: 'refused', status: 401, session: undefined }],
  'a client that leaves': [async ({ target, client }) => {
    await (await target.next()).head()
    client.reset()
  }, { by: 'client', reason: 'left', error: { code: 'SLUICE_CLIENT_LEFT' } }],
  'an origin that may not': [async () => {}, { by: 'client', reason: 'error', status: 403, error: { code: 'SLUICE_ORIGIN_FORBIDDEN' } }, { route: { websocket: { origins: ['https://a.example'] } } }],
  'a target that is silent': [async ({ target }) => { await target.next() }, { by: 'target', reason: 'error', status: 504 }, { route: { websocket: { handshakeTimeout: 50 } } }],
  'a Close of the client': [async ({ target, client }) => {
    const server = await target.next()
    server.write(goodResponse(await server.head()))
    await client.head()
    client.reset()
    await server.over()
    server.end()
  }, { by: 'client', reason: 'lost', status: 101, closeCode: 1006, session: { fromClient: { bytes: 0 } } }]
}

for (const [name, [act, expected, settings]] of Object.entries(HANDSHAKES)) {
  t.test(`a handshake ended by ${name}`, async t => {
    const one = await watched(t, { route: { websocket: true }, ...settings })
    one.client.write(handshake({ headers: { Origin: 'https://b.example' } }))
    await act(one)
    const { exchange, outcome } = await one.ended()
    t.match(outcome, expected)
    t.equal(exchange.kind, 'handshake')
    t.equal(one.events.filter(event => event === 'end').length, 1)
    t.match(one.gateway.app.gateway.upstreams.get('main')!.targets, [{ requests: 0, handshakes: 0, sessions: 0 }], 'no load is left')
  })
}

t.test('a handshake counts as one until its session is open, and the session does until its end', async t => {
  const one = await watched(t, { route: { websocket: true } })
  const targets = () => one.gateway.app.gateway.upstreams.get('main')!.targets
  one.client.write(handshake())
  const server = await one.target.next()
  const request = await server.head()
  t.match(targets(), [{ requests: 0, handshakes: 1, sessions: 0 }])
  server.write(goodResponse(request))
  await one.client.head()
  t.match(targets(), [{ requests: 0, handshakes: 0, sessions: 1 }])
  one.client.reset()
  await server.over()
  server.end()
  await one.ended()
  t.same(one.events, ['start handshake', 'attempt', 'session', 'end'])
})

t.test('attempts: each is told, and the last one stands in the line', async t => {
  const refusing = `http://127.0.0.1:${await refusingPort()}`
  const target = await rawTarget(t)
  const one = await watched(t, { targets: [refusing, target.url] })
  one.client.write(UPLOAD)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  const { exchange } = await one.ended()
  t.same(one.events, ['start request', 'attempt', 'failed SLUICE_TARGET_UNREACHABLE', 'attempt', 'end'])
  t.same([exchange.attempts, exchange.targetUrl], [2, target.url])
  t.match(one.gateway.app.gateway.upstreams.get('main')!.targets, [{ requests: 0 }, { requests: 0 }])
})

t.test('without an access log a line tells what no response does', async t => {
  const one = await watched(t, { plugin: {} })
  one.client.write(REQUEST)
  await (await one.target.next()).head()
  one.client.reset()
  await one.ended()
  t.match(one.gateway.log.filter(({ msg }) => msg === 'the client has left before the end of its response'), [{ level: 30, route: '/*', err: { code: 'SLUICE_CLIENT_LEFT' } }])
})

t.test('a session keeps a snapshot of its request', async t => {
  const one = await watched(t, {
    route: { websocket: true },
    setup: app => {
      app.decorateRequest('user', '')
      app.addHook('onRequest', async request => { (request as unknown as { user: string }).user = 'ann' })
    }
  })
  one.client.write(handshake({ path: '/chat?room=1' }))
  const server = await one.target.next()
  server.write(goodResponse(await server.head()))
  await one.client.head()
  const [session] = one.gateway.app.gateway.sessions.list()
  const request = session!.request as SessionRequest & { user: string }
  t.match(request, { user: 'ann', id: String, ip: '127.0.0.1', method: 'GET', url: '/chat?room=1', query: { room: '1' }, params: { '*': 'chat' }, routeOptions: { url: '/*' }, socket: { remoteAddress: '127.0.0.1', remotePort: Number } })
  t.equal(request.headers.upgrade, 'websocket')
  for (const name of ['raw', 'server', 'log', 'body']) t.notOk(name in request, name)
  one.client.reset()
  await once(server.socket, 'end')
  server.end()
  await one.ended()
})
