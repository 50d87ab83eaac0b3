import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { openSession, startGateway, type OpenSession, type RunningGateway } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { blackHole, goodResponse, rawTarget, refusingPort, type RawTarget } from '../helpers/raw-target.js'
import { Wire, closing, frame, masked, valuesOf } from '../helpers/wire.js'
import { SessionCounts } from '../../src/policies/session-limits.js'

t.test('sessions are counted by client, and forgotten', async t => {
  const counts = new SessionCounts()
  for (const client of ['a', 'a', 'b']) counts.add(client)
  t.same([counts.total, counts.of('a'), counts.of('b'), counts.of('c')], [3, 2, 1, 0])
  for (const client of ['a', 'b', 'a']) counts.remove(client)
  t.same([counts.total, counts.of('a'), counts.of('b')], [0, 0, 0])
})

/** Checks that a route for one session has its place, by opening a session and ending it. */
async function checkPlace (t: Test, gateway: RunningGateway, target: RawTarget, what: string): Promise<void> {
  const ended = gateway.ends.length
  const { client, server, answer } = await openSession(t, { on: { gateway, target } })
  t.equal(answer.start.split(' ')[1], '101', `the place is free after ${what}`)
  client.reset()
  await server.over()
  server.end()
  await gateway.ended(ended + 1)
}

for (const [option, status, code] of [['maxSessions', 503, 'SLUICE_ROUTE_FULL'], ['maxSessionsPerClient', 429, 'SLUICE_CLIENT_FULL']] as const) {
  t.test(`${option}: ${status} with Retry-After, before dialling`, async t => {
    const first = await openSession(t, { route: { websocket: { [option]: 2 } } })
    const second = await openSession(t, { on: first })
    const refused = await exchange(t, first.gateway.port, handshake())
    t.equal(refused.status, status)
    t.match(JSON.parse(refused.body), { code, statusCode: status })
    t.strictSame(valuesOf(refused, 'retry-after'), ['1'])
    t.strictSame(valuesOf(refused, 'connection').map(value => value.toLowerCase()), ['close'])
    t.equal(first.target.connections, 2, 'the target was not dialled')
    second.client.reset()
    second.server.end()
    await first.gateway.ended()
    await checkPlace(t, first.gateway, first.target, 'an end')
  })

  t.test(`${option}: handshakes under way count`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { [option]: 1 } } })
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await target.next()
    const request = await server.head()
    t.equal((await exchange(t, gateway.port, handshake())).status, status)
    server.write(goodResponse(request))
    t.match((await client.head()).start, / 101 /)
    t.equal((await exchange(t, gateway.port, handshake())).status, status)
    t.equal(target.connections, 1)
  })
}

t.test('places are counted by route', async t => {
  const setup = (app: FastifyInstance) => { app.proxy('/other', { upstream: 'main', websocket: { maxSessions: 1 } }) }
  const first = await openSession(t, { route: { websocket: { maxSessions: 1 } }, setup })
  const other = await Wire.connect(t, first.gateway.port)
  other.write(handshake({ path: '/other' }))
  const server = await first.target.next()
  server.write(goodResponse(await server.head()))
  t.match((await other.head()).start, / 101 /)
  t.equal((await exchange(t, first.gateway.port, handshake({ path: '/other' }))).status, 503)
})

t.test('maxSessionsPerClient goes by request.ip', async t => {
  const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
  const route = { websocket: { maxSessionsPerClient: 1 } }
  const trusting = await openSession(t, { route, fastify: { trustProxy: true }, ...from('192.0.2.1') })
  t.equal((await exchange(t, trusting.gateway.port, handshake(from('192.0.2.1')))).status, 429)
  t.match((await openSession(t, { on: trusting, ...from('192.0.2.2') })).answer.start, / 101 /)
  const wary = await openSession(t, { route, ...from('192.0.2.1') })
  t.equal((await exchange(t, wary.gateway.port, handshake(from('192.0.2.2')))).status, 429, 'a header that is not trusted makes no other client')
})

const ENDINGS: Record<string, (session: OpenSession) => Promise<void> | void> = {
  'a Close of the client': async ({ client, server }) => {
    client.write(masked(0x88, closing(1000)))
    await server.close()
    server.write(frame(0x88, closing(1000))).end()
    await client.over()
    client.end()
  },
  'a Close of the target': async ({ client, server }) => {
    server.write(frame(0x88, closing(1000)))
    await client.close()
    client.write(masked(0x88, closing(1000))).end()
    server.end()
  },
  'a lost client': ({ client, server }) => { client.reset(); server.end() },
  'a lost target': ({ client, server }) => { server.reset(); client.end() },
  'both lost': ({ client, server }) => { client.reset(); server.reset() },
  'a violation': ({ client, server }) => { client.write(frame(0x81, 'unmasked')).end(); server.end() },
  'a Close of the app': ({ gateway, client, server }) => { gateway.app.gateway.sessions.close(1000); client.end(); server.end() },
  'a Close that nobody answers': ({ gateway }) => { gateway.app.gateway.sessions.close(1000) }
}

t.test('every ending gives its place back, once', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { maxSessions: 1, maxSessionsPerClient: 1, closeTimeout: 50 } } })
  for (const [name, end] of Object.entries(ENDINGS)) {
    const ended = gateway.ends.length
    const session = await openSession(t, { on: { gateway, target } })
    await end(session)
    await gateway.ended(ended + 1)
    await checkPlace(t, gateway, target, name)
    t.equal(gateway.ends.length, ended + 2, 'one end a session')
  }
  await openSession(t, { on: { gateway, target } })
  t.equal((await exchange(t, gateway.port, handshake())).status, 429, 'and no place was given back twice')
})

t.test('a session whose both sockets are lost with the 101 gives its place back once', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { maxSessions: 1, closeTimeout: 50 } } })
  for (let turn = 0; turn < 30; turn++) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await target.next()
    server.write(goodResponse(await server.head()))
    if (turn % 3 !== 1) client.reset()
    if (turn % 3 === 0) server.reset()
    else setImmediate(() => server.reset())
    if (turn % 3 === 1) client.end()
    await gateway.idle()
  }
  while (gateway.app.gateway.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
  await openSession(t, { on: { gateway, target } })
  t.equal((await exchange(t, gateway.port, handshake())).status, 503)
  const ids = gateway.ends.map(end => (end as unknown as { id: string }).id)
  t.equal(new Set(ids).size, ids.length, 'no session has ended twice')
})

t.test('every failed handshake gives its place back', async t => {
  const target = await rawTarget(t)
  let upstream: () => string = () => 'main'
  let until: () => Date | null = () => null
  const gone = `http://127.0.0.1:${await refusingPort()}`
  const silent = `http://127.0.0.1:${await blackHole(t)}`
  const gateway = await startGateway(t, {
    targets: [target.url],
    route: {
      upstream: () => upstream(),
      websocket: { maxSessions: 1, maxSessionsPerClient: 1, closeTimeout: 50, connectTimeout: 80, handshakeTimeout: 80, protocols: ['a'], until: () => until() },
      headers: { response: { 'X-Bad': (value: string | undefined) => value === undefined ? undefined : 'a\r\nb' } }
    }
  })
  const ask = async (request = handshake()) => (await exchange(t, gateway.port, request)).status
  const check = (what: string) => checkPlace(t, gateway, target, what)
  const answered = async (answer: (server: Wire) => void) => {
    const status = ask()
    const server = await target.next()
    await server.head()
    answer(server)
    const result = await status
    server.end()
    return result
  }

  t.equal(await answered(server => server.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno')), 401)
  await check('a refusal')
  t.equal(await answered(server => server.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n')), 502)
  await check('a bad 101')
  t.equal(await answered(server => server.reset()), 502)
  await check('a reset')
  t.equal(await answered(() => {}), 504)
  await check('a 504')
  t.equal(await answered(server => server.write(goodResponse({ start: '', headers: [['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']] }, ['X-Bad: 1']))), 500)
  await check('a response that could not be passed on')
  upstream = () => gone
  t.equal(await ask(), 502)
  upstream = () => silent
  t.equal(await ask(), 502)
  upstream = () => { throw new Error('no tenant') }
  t.equal(await ask(), 502)
  upstream = () => 'main'
  await check('a 502')
  until = () => new Date(0)
  t.equal(await ask(), 403)
  until = () => { throw new Error('broken') }
  t.equal(await ask(), 500)
  until = () => null
  await check('a 403')
  t.equal(await ask(handshake({ headers: { 'Sec-WebSocket-Protocol': 'b' } })), 400)
  t.equal(await ask(handshake({ headers: { 'Sec-WebSocket-Version': '8' } })), 426)
  await check('a 400')

  for (const leave of ['end', 'reset'] as const) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await target.next()
    await server.head()
    client[leave]()
    await server.over()
    server.end()
    await gateway.idle()
    await check(`a client that left (${leave})`)
  }
  t.equal(gateway.app.gateway.sessions.size, 0)
})

t.test('a hook that refuses takes no place', async t => {
  let deny = true
  const setup = (app: FastifyInstance) => { app.addHook('preHandler', async () => { if (deny) throw Object.assign(new Error('no'), { statusCode: 401 }) }) }
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { maxSessions: 1 } }, setup })
  for (let count = 0; count < 3; count++) t.equal((await exchange(t, gateway.port, handshake())).status, 401)
  deny = false
  await checkPlace(t, gateway, target, 'hooks that refused')
})
