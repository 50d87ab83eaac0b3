import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { MessageRate } from '../../src/options/index.js'
import { openSession, startGateway, type OpenSession } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { closing, frame, masked, valuesOf, Wire } from '../helpers/wire.js'

/* messageRate and targetMessageRate by key. What a rate does to one session stands in relay/rate.alone.test.ts. */

interface Rates { messageRate?: MessageRate, targetMessageRate?: MessageRate }

/** Opens sessions of one gateway. */
async function gatewayWith (t: Test, rates: Rates, settings: { trustProxy?: boolean, setup?: (app: FastifyInstance) => void } = {}) {
  const target = await rawTarget(t)
  const { trustProxy = false, setup } = settings
  const gateway = await startGateway(t, { targets: [target.url], fastify: { trustProxy }, ...setup && { setup }, route: { websocket: { closeTimeout: 200, ...rates } } })
  const open = (more: { from?: string, headers?: Record<string, string>, path?: string } = {}): Promise<OpenSession> => openSession(t, { on: { gateway, target }, ...more })
  const leave = async ({ client, server }: OpenSession) => {
    const ended = gateway.ends.length
    client.reset()
    server.reset()
    await gateway.ended(ended + 1)
  }
  return { target, gateway, open, leave }
}

const send = (client: Wire, count: number, first = 0x81, payload = 'x') => {
  client.write(Buffer.concat(Array.from({ length: count }, () => masked(first, payload))))
}

const receive = async (wire: Wire, count: number) => { for (let left = count; left > 0; left--) await wire.frame() }

const SLOW = { messages: 0.001 }

t.test('two sessions of one address have one rate; another address has its own', async t => {
  const { gateway, open } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 5, key: 'address' } })
  const [one, two, other] = [await open(), await open(), await open({ from: '127.0.0.2' })]
  send(one.client, 3)
  await receive(one.server, 3)
  send(two.client, 2)
  await receive(two.server, 2)
  send(two.client, 1)
  await receive(two.server, 1)
  t.equal(await two.client.close(), '1008')
  t.equal(await two.server.close(), '1008')
  await gateway.ended()
  t.match(gateway.ends[0], { by: 'gateway', reason: 'rate', code: 1008, fromClient: { messages: 3 } })
  one.server.write(frame(0x81, 'still here'))
  t.equal((await one.client.frame()).payload.toString(), 'still here', 'the session that did not go over it goes on')
  send(other.client, 5)
  await receive(other.server, 5)
  t.equal(gateway.app.gateway.sessions.size, 2)
})

t.test('a route has its own rate', async t => {
  const { open, gateway } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 2, key: 'address' } }, {
    setup: app => { app.proxy('/other', { upstream: 'main', websocket: { messageRate: { ...SLOW, burst: 2, key: 'address' } } }) }
  })
  for (const path of ['/ws', '/other']) {
    const { client, server } = await open({ path })
    send(client, 2)
    await receive(server, 2)
  }
  t.equal(gateway.ends.length, 0)
})

t.test('without a key, each session has its own', async t => {
  for (const rate of [{ ...SLOW, burst: 2 }, { ...SLOW, burst: 2, key: 'session' as const }]) {
    const { open, gateway } = await gatewayWith(t, { messageRate: rate })
    for (let count = 0; count < 2; count++) {
      const { client, server } = await open()
      send(client, 2)
      await receive(server, 2)
    }
    t.equal(gateway.ends.length, 0)
  }
})

t.test("'close': a client that reconnects has no fresh burst", async t => {
  const { gateway, target, open, leave } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 5, key: 'address' } })
  const first = await open()
  send(first.client, 5)
  await receive(first.server, 5)
  await leave(first)
  const second = await open()
  send(second.client, 1)
  t.equal((await second.server.frame()).opcode, 1)
  t.equal(await second.client.close(), '1008')
  const { connections } = target
  const refused = await exchange(t, gateway.port, handshake())
  t.equal(refused.status, 429, 'nor a read for nothing, while that session ends or when it has')
  t.match(JSON.parse(refused.body), { code: 'SLUICE_RATE_EXCEEDED', statusCode: 429 })
  t.strictSame(valuesOf(refused, 'retry-after'), ['1'])
  await gateway.ended(2)
  t.equal((await exchange(t, gateway.port, handshake())).status, 429)
  t.equal(target.connections, connections, 'the target was not dialled')
  const other = await open({ from: '127.0.0.2' })
  t.match(other.answer.start, / 101 /)
})

t.test("'close': who has paid back may come again", async t => {
  const { gateway, target, open } = await gatewayWith(t, { messageRate: { messages: 10, burst: 1, key: 'address' } })
  const first = await open()
  send(first.client, 6)
  t.equal((await first.server.frame()).opcode, 1)
  await gateway.ended()
  const dialled = target.next()
  for (let refusals = 0; ; refusals++) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const head = client.head()
    const server = await Promise.race([head.then(() => undefined), dialled])
    if (server === undefined) continue
    t.ok(refusals > 0)
    server.write(goodResponse(await server.head()))
    t.match((await head).start, / 101 /)
    break
  }
})

t.test("'delay': a client that reconnects has no fresh burst, nor its first read for nothing", async t => {
  const { open, leave } = await gatewayWith(t, { messageRate: { messages: 20, burst: 5, action: 'delay', key: 'address' } })
  const started = performance.now()
  const first = await open()
  send(first.client, 10)
  await receive(first.server, 10)
  await leave(first)
  for (let count = 1; count <= 3; count++) {
    const session = await open()
    send(session.client, 5)
    await receive(session.server, 5)
    const took = performance.now() - started
    // What was sent before is paid back before this was read.
    t.ok(took >= count * 250 - 10, `${Math.round(took)} ms`)
    await leave(session)
  }
})

t.test("'delay': what a client sends with its handshake waits, too", async t => {
  const { gateway, target, open } = await gatewayWith(t, { messageRate: { messages: 20, burst: 1, action: 'delay', key: 'address' } })
  const first = await open()
  const started = performance.now()
  send(first.client, 11)
  await receive(first.server, 11)
  const client = await Wire.connect(t, gateway.port)
  client.write(Buffer.concat([Buffer.from(handshake()), masked(0x81, 'early')]))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  t.match((await client.head()).start, / 101 /)
  t.equal((await server.frame()).payload.toString(), 'early')
  const took = performance.now() - started
  t.ok(took >= 490, `${Math.round(took)} ms`)
  send(client, 1)
  await receive(server, 1)
})

t.test("'delay': three sessions of one key all make progress, in spite of one that floods", async t => {
  const { open } = await gatewayWith(t, { messageRate: { messages: 200, burst: 5, action: 'delay', key: 'address' } })
  const sessions = [await open(), await open(), await open()] as const
  const [greedy, ...modest] = sessions
  // Far more than is let through while this test lasts: at 200 a second, 100 s.
  send(greedy.client, 20_000)
  await greedy.server.frame()
  const started = performance.now()
  // Each of the others sends one when the last one has arrived.
  await Promise.all(modest.map(async ({ client, server }) => {
    for (let count = 0; count < 20; count++) {
      send(client, 1)
      await receive(server, 1)
    }
  }))
  const took = performance.now() - started
  t.ok(took >= 250, `40 of 200 a second, of which the flood has its third: ${Math.round(took)} ms`)
  t.ok(took < 10_000, 'they do not wait until the flood is paid back')
  for (const { client, server } of sessions) {
    client.reset()
    server.reset()
  }
})

t.test('a header, by its value; without it, a session counts alone', async t => {
  const { gateway, open } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 2, key: { header: 'X-API-Key' } } })
  const fill = async (session: OpenSession) => {
    send(session.client, 2)
    await receive(session.server, 2)
  }
  const ann = await open({ headers: { 'X-Api-Key': 'ann' } })
  await fill(ann)
  await fill(await open({ headers: { 'X-Api-Key': 'ben' } }))
  await fill(await open())
  await fill(await open())
  await fill(await open({ headers: { 'X-Api-Key': ' ' } }))
  t.equal(gateway.ends.length, 0)
  const again = await open({ headers: { 'X-Api-Key': 'ann' }, from: '127.0.0.2' })
  send(again.client, 1)
  t.equal((await again.server.frame()).opcode, 1)
  t.equal(await again.client.close(), '1008')
})

t.test('a function of the request', async t => {
  const { gateway, open } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 2, key: ({ query }) => (query as { room?: string }).room } })
  for (const path of ['/ws?room=1', '/ws?room=2', '/ws', '/ws']) {
    const { client, server } = await open({ path })
    send(client, 2)
    await receive(server, 2)
  }
  t.equal(gateway.ends.length, 0)
  const { client } = await open({ path: '/ws?room=1' })
  send(client, 1)
  t.equal(await client.close(), '1008')
})

t.test('a function that throws, or returns something else than a text, fails the handshake', async t => {
  const cases: Array<[() => never, string]> = [
    [() => { throw new Error('no user') }, 'has thrown an error'],
    [(() => 5) as never, 'must return a text or nothing, got number'],
    [(async () => 'late') as never, 'must return a text or nothing, got object']
  ]
  for (const option of ['messageRate', 'targetMessageRate'] as const) {
    for (const [key, what] of cases) {
      const { gateway, target } = await gatewayWith(t, { [option]: { messages: 1, key } })
      const refused = await exchange(t, gateway.port, handshake())
      t.equal(refused.status, 500)
      t.match(JSON.parse(refused.body), { code: 'SLUICE_RATE_KEY', message: 'The WebSocket could not be opened' })
      t.equal(target.connections, 0)
      t.match(gateway.log.map(({ err }) => JSON.stringify(err)).join(), `the function in 'websocket.${option}.key' ${what}`)
    }
  }
})

t.test('an address of IPv6 counts by its /64', async t => {
  const { gateway, open } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 2, key: 'address' } }, { trustProxy: true })
  const from = (address: string) => open({ headers: { 'X-Forwarded-For': address } })
  const one = await from('2001:db8:1:2::1')
  send(one.client, 2)
  await receive(one.server, 2)
  const neighbour = await from('2001:db8:1:3::1')
  send(neighbour.client, 2)
  await receive(neighbour.server, 2)
  t.equal(gateway.ends.length, 0)
  const same = await from('2001:db8:1:2:ffff::2')
  send(same.client, 1)
  t.equal(await same.client.close(), '1008')
})

// ---- What the target sends

t.test("targetMessageRate, 'close': a target that floods", async t => {
  const { gateway, open } = await gatewayWith(t, { targetMessageRate: { ...SLOW, burst: 5 } })
  const { client, server } = await open()
  send(client, 100)
  await receive(server, 100)
  for (let count = 0; count < 5; count++) server.write(frame(0x81, String(count)))
  await receive(client, 5)
  t.equal(gateway.ends.length, 0)
  server.write(frame(0x01, 'half'))
  t.equal((await client.frame()).opcode, 1)
  server.write(frame(0x80))
  t.equal((await client.frame()).opcode, 0)
  t.equal(await client.close(), '1008')
  t.equal(await server.close(), '1008')
  await gateway.ended()
  t.match(gateway.ends[0], { by: 'gateway', reason: 'target-rate', code: 1008, closeSent: { client: 1008, target: 1008 }, fromTarget: { messages: 6 } })
})

const CHEAP: Record<string, Buffer> = {
  pings: frame(0x89),
  pongs: frame(0x8a, 'unasked'),
  'continuations without payload': frame(0x00)
}
for (const [name, cheap] of Object.entries(CHEAP)) {
  t.test(`targetMessageRate, 'close': a target that sends no message but ${name}`, async t => {
    const { gateway, open } = await gatewayWith(t, { targetMessageRate: { messages: 1, key: 'address' } })
    const { client, server } = await open()
    server.write(frame(0x01, 'begun'))
    await client.frame()
    const floods = setInterval(() => { server.write(Buffer.concat(Array.from({ length: 500 }, () => cheap))) }, 5)
    t.teardown(() => { clearInterval(floods) })
    server.socket.once('close', () => { clearInterval(floods) })
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'gateway', reason: 'target-rate', code: 1008, closeSent: { client: 1008, target: 1008 }, fromTarget: { messages: 0 } })
  })
}

t.test("targetMessageRate, 'delay': all arrives, in order, later, and the other way is not delayed", async t => {
  const { open } = await gatewayWith(t, { targetMessageRate: { messages: 100, burst: 10, action: 'delay' } })
  const { client, server } = await open()
  const started = performance.now()
  for (let index = 0; index < 60; index++) {
    server.write(frame(0x81, String(index)))
    await new Promise(resolve => setImmediate(resolve))
  }
  send(client, 10)
  await receive(server, 10)
  t.ok(performance.now() - started < 400)
  for (let index = 0; index < 60; index++) t.equal((await client.frame()).payload.toString(), String(index))
  server.write(frame(0x88, closing(1000, 'done')))
  t.equal(await client.close(), '1000 done')
  const took = performance.now() - started
  t.ok(took >= 480, `${Math.round(took)} ms for 50 more than the burst`)
})

t.test("targetMessageRate, 'delay': a target that floods is held back", async t => {
  const { open } = await gatewayWith(t, { targetMessageRate: { messages: 1e9, bytes: 1_000_000, action: 'delay' } })
  const { client, server } = await open()
  const message = frame(0x82, Buffer.alloc(60_000))
  for (let count = 0; count < 1000; count++) server.write(message)
  await receive(client, 20)
  t.ok(server.socket.writableLength > 40_000_000, `${server.socket.writableLength} of 60 MB wait at the target`)
  client.reset()
  server.reset()
})

t.test('what targets send to all sessions of a key has one rate, and what their client sends another one', async t => {
  const key = 'address'
  const { gateway, open } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 3, key }, targetMessageRate: { ...SLOW, burst: 2, key } })
  const [one, two, other] = [await open(), await open(), await open({ from: '127.0.0.2' })]
  one.server.write(frame(0x81, 'a'))
  two.server.write(frame(0x81, 'b'))
  await receive(one.client, 1)
  await receive(two.client, 1)
  send(one.client, 3)
  await receive(one.server, 3)
  for (const text of ['c', 'd']) other.server.write(frame(0x81, text))
  await receive(other.client, 2)
  t.equal(gateway.ends.length, 0)
  one.server.write(frame(0x81, 'e'))
  await receive(one.client, 1)
  t.equal(await one.client.close(), '1008')
  await gateway.ended()
  t.match(gateway.ends[0], { by: 'gateway', reason: 'target-rate' })
  t.equal(gateway.app.gateway.sessions.size, 2)
})

t.test('frames and control frames of all sessions of a key count together', async t => {
  const { gateway, open } = await gatewayWith(t, { messageRate: { ...SLOW, burst: 1, frames: 10, key: 'address' } })
  const [one, two] = [await open(), await open()]
  send(one.client, 1, 0x01)
  send(one.client, 5, 0x00, '')
  await receive(one.server, 6)
  send(two.client, 4, 0x89, '')
  await receive(two.server, 4)
  // The rate of frames is 10 a second, so a few come back.
  send(two.client, 20, 0x89, '')
  await receive(two.server, 20)
  t.equal(await two.client.close(), '1008')
  await gateway.ended()
  t.match(gateway.ends[0], { reason: 'rate', fromClient: { messages: 0, frames: 24 } })
  t.equal(gateway.app.gateway.sessions.size, 1)
})
