import Fastify from 'fastify'
import t, { type Test } from 'tap'

import sluice, { type WebSocketOptions } from '../../src/index.js'
import { createGateway } from '../../src/service/index.js'
import { checkEnd, openSession, startGateway } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { blackHole, goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, closing, frame, masked, valuesOf } from '../helpers/wire.js'

const offering = (protocols: string) => ({ headers: { 'Sec-WebSocket-Protocol': protocols } })
const deflate = 'permessage-deflate; client_max_window_bits'

t.test('protocols: the target sees those that are let through, and chooses', async t => {
  const route = { websocket: { protocols: ['b', 'c'], closeTimeout: 200 } }
  const first = await openSession(t, { route, ...offering('a, b, c, d'), answer: ['Sec-WebSocket-Protocol: c'] })
  t.strictSame(valuesOf(first.request, 'sec-websocket-protocol'), ['b, c'], "in the client's order")
  t.strictSame(valuesOf(first.answer, 'sec-websocket-protocol'), ['c'])
  t.equal(first.gateway.app.gateway.sessions.list()[0]!.subprotocol, 'c')

  const reversed = await openSession(t, { on: first, ...offering('c, b') })
  t.strictSame(valuesOf(reversed.request, 'sec-websocket-protocol'), ['c, b'])
  t.match(reversed.answer.start, / 101 /, 'the target may choose none')

  const none = await openSession(t, { on: first })
  t.strictSame(valuesOf(none.request, 'sec-websocket-protocol'), [], 'a client that offers none passes')
  t.match(none.answer.start, / 101 /)

  const refused = await exchange(t, first.gateway.port, handshake(offering('a, d')))
  t.equal(refused.status, 400)
  t.match(refused.body, 'SLUICE_HANDSHAKE_INVALID')
  t.equal((await exchange(t, first.gateway.port, handshake(offering('B')))).status, 400, 'case counts')
  t.equal(first.target.connections, 3, 'before dialling')
})

t.test('protocols: a target that chooses one that was filtered out is refused', async t => {
  const { answer } = await openSession(t, { route: { websocket: { protocols: ['b'] } }, ...offering('a, b'), answer: ['Sec-WebSocket-Protocol: a'] })
  t.match(answer.start, / 502 /)
})

t.test('protocols: an empty list lets none through', async t => {
  const session = await openSession(t, { route: { websocket: { protocols: [] } } })
  t.match(session.answer.start, / 101 /)
  t.equal((await exchange(t, session.gateway.port, handshake(offering('a')))).status, 400)
})

t.test('protocols: without the option the header passes as it is', async t => {
  const { request } = await openSession(t, offering('a,b ,  c'))
  t.strictSame(valuesOf(request, 'sec-websocket-protocol'), ['a,b ,  c'])
})

t.test("compression: 'passthrough' is the default", async t => {
  for (const websocket of [true, { compression: 'passthrough' }] as const) {
    const { request, answer } = await openSession(t, { route: { websocket }, headers: { 'Sec-WebSocket-Extensions': deflate }, answer: ['Sec-WebSocket-Extensions: permessage-deflate'] })
    t.strictSame(valuesOf(request, 'sec-websocket-extensions'), [deflate])
    t.strictSame(valuesOf(answer, 'sec-websocket-extensions'), ['permessage-deflate'])
  }
})

t.test("compression: 'off' removes the offer, and RSV1 has no meaning then", async t => {
  const session = await openSession(t, { route: { websocket: { compression: 'off', closeTimeout: 200 } }, headers: { 'Sec-WebSocket-Extensions': deflate } })
  const { client, server, request, answer } = session
  t.match(answer.start, / 101 /)
  t.strictSame(valuesOf(request, 'sec-websocket-extensions'), [])
  client.write(masked(0xc1, 'x'))
  t.match(await client.close(), /^1002 /)
  t.equal(await server.close(), '1002')
  client.end()
  server.end()
  await checkEnd(t, session, { by: 'client', reason: 'protocol-error', code: 1002 })
})

t.test("compression: 'off', and a target that answers with an extension anyway", async t => {
  const { answer, gateway } = await openSession(t, { route: { websocket: { compression: 'off' } }, headers: { 'Sec-WebSocket-Extensions': deflate }, answer: ['Sec-WebSocket-Extensions: permessage-deflate'] })
  t.match(answer.start, / 502 /)
  t.equal(gateway.app.gateway.sessions.size, 0)
})

t.test('connectTimeout of the route goes before that of the upstream: 502', async t => {
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${await blackHole(t)}`], upstream: { connectTimeout: 60_000 }, route: { websocket: { connectTimeout: 80 } } })
  const started = performance.now()
  const answer = await exchange(t, gateway.port, handshake())
  t.equal(answer.status, 502)
  t.match(answer.body, 'SLUICE_TARGET_UNREACHABLE')
  t.ok(performance.now() - started >= 75)
})

t.test('handshakeTimeout: 504', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { handshakeTimeout: 80 } } })
  const answer = exchange(t, gateway.port, handshake())
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 101 Switching Protocols\r\nUpgra')
  t.equal((await answer).status, 504)
  t.match((await answer).body, 'SLUICE_TARGET_TIMEOUT')
  await server.over()
})

/** Opens a session that is to end by itself, has both peers answer, and checks how it ended. */
async function checkTimeUp (t: Test, websocket: WebSocketOptions, code: number, reason: string): Promise<number> {
  const started = performance.now()
  const session = await openSession(t, { route: { websocket: { closeTimeout: 60_000, ...websocket } } })
  const { client, server } = session
  const told = await client.close()
  const took = performance.now() - started
  t.equal(told, String(code))
  t.equal(await server.close(), String(code))
  client.write(masked(0x88, closing(code)))
  server.write(frame(0x88, closing(code))).end()
  await client.over()
  client.end()
  await checkEnd(t, session, { by: 'gateway', reason, code })
  return took
}

t.test('maxLifetime: 1001', async t => {
  const took = await checkTimeUp(t, { maxLifetime: 120 }, 1001, 'lifetime')
  t.ok(took >= 119, `${took} ms`)
})

// Issue 8, A2.
t.test('lifetimeCode and idleCode are sent in the place of 1001', async t => {
  for (const code of [1000, 1012, 4000]) {
    await checkTimeUp(t, { maxLifetime: 50, lifetimeCode: code, idleCode: 4999 }, code, 'lifetime')
    await checkTimeUp(t, { idleTimeout: 50, idleCode: code, lifetimeCode: 4999 }, code, 'idle')
  }
  await checkTimeUp(t, { lifetimeCode: 4000, until: async () => new Date(Date.now() + 50) }, 1008, 'expired')
})

t.test('lifetimeJitter shortens it', async t => {
  const took = await checkTimeUp(t, { maxLifetime: 2 ** 31 - 1, lifetimeJitter: 2 ** 31 - 1, until: async () => new Date(Date.now() + 50) }, 1008, 'expired')
  t.ok(took < 5000, 'the earlier end counts')
  const { random } = Math
  t.teardown(() => { Math.random = random })
  Math.random = () => 0.999
  t.ok(await checkTimeUp(t, { maxLifetime: 60_000, lifetimeJitter: 60_000 }, 1001, 'lifetime') < 5000)
  await checkTimeUp(t, { maxLifetime: 50, lifetimeJitter: 60_000 }, 1001, 'lifetime')
})

t.test('an open message is finished before the end', async t => {
  const session = await openSession(t, { route: { websocket: { closeTimeout: 60_000, maxLifetime: 80 } } })
  const { client, server } = session
  client.write(masked(0x01, 'half'))
  await server.frame()
  t.equal(await client.close(), '1001')
  client.write(masked(0x80, ' and half')).write(masked(0x88, closing(1001)))
  t.equal((await server.frame()).payload.toString(), ' and half')
  t.equal(await server.close(), '1001')
  server.end()
  client.end()
  await checkEnd(t, session, { reason: 'lifetime', fromClient: { messages: 1 } })
})

for (const [name, until] of [
  ['sync', () => new Date(Date.now() + 100)],
  ['async', async () => new Date(Date.now() + 100)],
  ['by the request', (request: { headers: Record<string, unknown> }) => request.headers.host === 'gateway.test' ? new Date(Date.now() + 100) : null]
] as const) {
  t.test(`until, ${name}: 1008 at its date`, async t => {
    const took = await checkTimeUp(t, { until: until as never }, 1008, 'expired')
    t.ok(took >= 95, `${took} ms`)
  })
}

for (const [name, websocket, told] of [
  ['the date of `until`', { until: () => new Date(Date.now() + 50) }, 1008],
  ['session.close()', {}, 4000]
] as const) {
  t.test(`a message without an end does not put off ${name}`, async t => {
    const session = await openSession(t, { route: { websocket: { closeTimeout: 100, ...websocket } } })
    const { client, server } = session
    client.write(masked(0x02, 'x'))
    t.equal((await server.frame()).opcode, 0x02)
    if (told === 4000) session.gateway.app.gateway.sessions.list()[0]!.close(told)
    client.write(masked(0x00, 'x'))
    // A client that goes on for as long as anything of it arrives.
    for (;;) {
      const { opcode, payload } = await server.frame()
      if (opcode === 0x08) {
        t.equal(payload.readUInt16BE(), told)
        break
      }
      client.write(masked(0x00, 'x'))
    }
    server.end()
    client.end()
    await checkEnd(t, session, { by: 'gateway' })
  })
}

t.test('until: a date that comes during the handshake ends the session at once, and its watch with it', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { closeTimeout: 60_000, pingInterval: 30, pongTimeout: 30, until: () => new Date(Date.now() + 30) } } })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  const request = await server.head()
  await new Promise(resolve => setTimeout(resolve, 60))
  server.write(goodResponse(request))
  const answer = await client.head()
  t.equal(await client.close(), '1008')
  t.equal(await server.close(), '1008')
  await new Promise(resolve => setTimeout(resolve, 100))
  t.equal(client.length + server.length, 0, 'a closing session is not pinged')
  t.notOk(client.closed || server.closed, 'nor given up for its silence')
  client.write(masked(0x88, closing(1008))).end()
  server.write(frame(0x88, closing(1008))).end()
  await checkEnd(t, { gateway, target, client, server, request, answer }, { reason: 'expired', by: 'gateway', code: 1008 })
})

t.test('until: no date, or one in the far future', async t => {
  for (const date of [null, undefined, new Date(Date.now() + 2 ** 31 + 1000), new Date(8.64e15)]) {
    const { client, server } = await openSession(t, { route: { websocket: { until: () => date } } })
    await new Promise(resolve => setTimeout(resolve, 30))
    client.write(masked(0x81, 'open'))
    t.equal((await server.frame()).payload.toString(), 'open')
  }
})

t.test('until: a date that has passed, or is none: 403 before dialling', async t => {
  const target = await rawTarget(t)
  for (const date of [new Date(Date.now() - 1), new Date(0), new Date(NaN)]) {
    const { port } = await startGateway(t, { targets: [target.url], route: { websocket: { until: async () => date } } })
    const answer = await exchange(t, port, handshake())
    t.equal(answer.status, 403)
    t.match(answer.body, 'SLUICE_SESSION_EXPIRED')
  }
  t.equal(target.connections, 0)
})

t.test('until: its error refuses the handshake, as one of a hook does', async t => {
  const target = await rawTarget(t)
  for (const [error, status] of [[new Error('broken'), 500], [Object.assign(new Error('who?'), { statusCode: 401 }), 401]] as const) {
    for (const until of [() => { throw error }, async () => { throw error }]) {
      const { port } = await startGateway(t, { targets: [target.url], route: { websocket: { until } } })
      t.equal((await exchange(t, port, handshake())).status, status)
    }
  }
  t.equal(target.connections, 0)
})

/** Values that are refused, and what is said of them. */
const WRONG: Array<[options: object, message: RegExp]> = [
  [{ origins: 'https://a.test' }, /'websocket\.origins': must be "\*" or "same-origin" or an array/],
  [{ origins: [] }, /'websocket\.origins': must be an array with a length of at least 1/],
  [{ origins: ['example.com'] }, /'websocket\.origins\.0': .*An origin: a scheme, a host/],
  [{ origins: ['https://a.test/'] }, /'websocket\.origins\.0'/],
  [{ origins: ['*'] }, /'websocket\.origins\.0'/],
  [{ requireOrigin: 'yes' }, /'websocket\.requireOrigin': must be a boolean/],
  [{ protocols: 'a' }, /'websocket\.protocols': must be an array/],
  [{ compression: 'on' }, /'websocket\.compression': must be one of passthrough, off/],
  ...['connectTimeout', 'handshakeTimeout', 'idleTimeout', 'pongTimeout', 'maxLifetime', 'maxFrameSize', 'maxMessageSize', 'maxSessions', 'maxSessionsPerClient', 'closeTimeout', 'stallTimeout'].flatMap((name): typeof WRONG => [
    [{ [name]: 0 }, new RegExp(`'websocket\\.${name}': must be an integer of at least 1, got 0`)],
    [{ [name]: -1 }, new RegExp(`'websocket\\.${name}': must be an integer of at least 1, got -1`)],
    [{ [name]: 1.5 }, new RegExp(`'websocket\\.${name}': must be an integer(?: or an object)?, got 1\\.5`)],
    [{ [name]: '1s' }, new RegExp(`'websocket\\.${name}': must be an integer(?: or an object)?, got "1s"`)],
    [{ [name]: Infinity }, new RegExp(`'websocket\\.${name}': must be an integer`)]
  ]),
  [{ maxLifetime: 2 ** 31 }, /'websocket\.maxLifetime': must be an integer of at most 2147483647/],
  [{ lifetimeJitter: -1 }, /'websocket\.lifetimeJitter': must be an integer of at least 0/],
  [{ pingInterval: true }, /'websocket\.pingInterval': must be false or an integer/],
  [{ pingInterval: 0 }, /'websocket\.pingInterval': must be an integer of at least 1/],
  [{ messageRate: 5 }, /'websocket\.messageRate': must be an object/],
  [{ messageRate: {} }, /'websocket\.messageRate\.messages': must be a number, but is missing/],
  [{ messageRate: { messages: 0 } }, /'websocket\.messageRate\.messages': .*greater than 0/],
  [{ messageRate: { messages: 1, burst: 0 } }, /'websocket\.messageRate\.burst'/],
  [{ messageRate: { messages: 1, action: 'drop' } }, /'websocket\.messageRate\.action': must be one of close, delay/],
  [{ messageRate: { messages: 1, perSecond: 2 } }, /'websocket\.messageRate\.perSecond': there is no such option/],
  [{ messageRate: { messages: 1, key: 'cookie' } }, /'websocket\.messageRate\.key': must be "session" or "address" or an object or a function, got "cookie"/],
  [{ messageRate: { messages: 1, key: {} } }, /'websocket\.messageRate\.key\.header': must be a string, but is missing/],
  [{ messageRate: { messages: 1, key: { cookie: 'id' } } }, /'websocket\.messageRate\.key/],
  [{ targetMessageRate: { messages: 1, key: { header: 'x y' } } }, /'websocket\.targetMessageRate\.key\.header': must consist of letters, digits and .*, got "x y"/],
  [{ targetMessageRate: { burst: 1 } }, /'websocket\.targetMessageRate\.messages': must be a number, but is missing/],
  [{ targetMesageRate: { messages: 1 } }, /there is no such option; did you mean 'targetMessageRate'\?/],
  [{ lossCode: '1011' }, /'websocket\.lossCode': must be an integer/],
  ...['lossCode', 'idleCode', 'lifetimeCode'].flatMap(name => [999, 1004, 1005, 1006, 1015, 2000, 5000].map((code): typeof WRONG[0] =>
    [{ [name]: code }, new RegExp(`'websocket\\.${name}': .*1000 to 1003, 1007 to 1014, or 3000 to 4999`)])),
  [{ messageRate: { messages: 1, frames: 0 } }, /'websocket\.messageRate\.frames': must be an integer of at least 1/],
  [{ strict: 'no' }, /'websocket\.strict': must be a boolean/],
  [{ until: new Date() }, /'websocket\.until': must be a function/],
  [{ onSession: 'x' }, /'websocket\.onSession': must be a function/],
  [{ onSessionEnd: {} }, /'websocket\.onSessionEnd': must be a function/],
  [{ maxSesions: 1 }, /'websocket\.maxSesions': there is no such option; did you mean 'maxSessions'\?/],
  [{ onSesion: () => {} }, /there is no such option; did you mean 'onSession'\?/]
]

t.test('values that cannot be meant are refused when the route is declared', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  for (const [websocket, message] of WRONG) {
    t.throws(() => app.proxy('/*', { upstream: 'http://127.0.0.1:1', websocket }), { code: 'SLUICE_OPTIONS_INVALID', message })
  }
})

/** All that a configuration file may say. */
const DECLARATIVE: WebSocketOptions = {
  origins: ['https://*.example.com', 'null'],
  requireOrigin: true,
  protocols: ['a'],
  compression: 'off',
  connectTimeout: 1,
  handshakeTimeout: 1,
  idleTimeout: 1,
  pingInterval: false,
  pongTimeout: 1,
  maxLifetime: 1,
  lifetimeJitter: 0,
  maxFrameSize: 1,
  maxMessageSize: 1,
  messageRate: { messages: 0.5, burst: 1, frames: 1, bytes: 1, action: 'delay', key: { header: 'x-api-key' } },
  targetMessageRate: { messages: 0.5, burst: 1, frames: 1, bytes: 1, action: 'close', key: 'address' },
  maxSessions: 1,
  maxSessionsPerClient: 1,
  closeTimeout: 1,
  stallTimeout: 1,
  lossCode: 1011,
  idleCode: 4000,
  lifetimeCode: 1012,
  strict: false
}

t.test('a configuration takes the options that need no code, and no others', async t => {
  const config = (websocket: object) => ({ routes: [{ url: '/*', upstream: 'http://127.0.0.1:1', websocket }] })
  const gateway = await createGateway({ ...config(DECLARATIVE), logLevel: 'silent' })
  await gateway.close()
  for (const name of ['until', 'onSession', 'onSessionEnd']) {
    await t.rejects(async () => createGateway(config({ [name]: () => {} }) as never), { code: 'SLUICE_CONFIG_INVALID', message: new RegExp(`${name}.*no such option`, 's') })
  }
  for (const name of ['messageRate', 'targetMessageRate']) {
    await t.rejects(async () => createGateway(config({ [name]: { messages: 1, key: () => 'x' } }) as never), { code: 'SLUICE_CONFIG_INVALID', message: new RegExp(`${name}\\.key: must be "session" or "address" or an object, got a function`) })
  }
  for (const [websocket] of WRONG) await t.rejects(async () => createGateway(config(websocket) as never), { code: 'SLUICE_CONFIG_INVALID' })
})
