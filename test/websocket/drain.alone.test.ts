import t, { type Test } from 'tap'
import type { Duplex } from 'node:stream'
import Fastify from 'fastify'
import sluice from '../../src/index.js'
import { checkEnd, openSession, resources, startGateway, type OpenSession } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, closing, frame, masked, valuesOf, type Head } from '../helpers/wire.js'

const PATIENT = { route: { websocket: { closeTimeout: 60_000 } } }

/** Both peers answer Close as they should. */
async function answerClose ({ client, server }: OpenSession, code: number): Promise<void> {
  client.write(masked(0x88, closing(code)))
  server.write(frame(0x88, closing(code))).end()
  await client.over()
  client.end()
}

async function openSessions (t: Test, count: number): Promise<OpenSession[]> {
  const first = await openSession(t, PATIENT)
  const all = [first]
  while (all.length < count) all.push(await openSession(t, { on: first }))
  return all
}

function checkRefusal (t: Test, answer: Head & { status: number, body: string }): void {
  t.equal(answer.status, 503)
  t.same(valuesOf(answer, 'retry-after'), ['1'])
  t.same(valuesOf(answer, 'connection').map(value => value.toLowerCase()), ['close'])
  t.same(valuesOf(answer, 'content-type'), ['application/json; charset=utf-8'])
  t.same(JSON.parse(answer.body), { statusCode: 503, code: 'SLUICE_DRAINING', error: 'Service Unavailable', message: 'The gateway is stopping' })
}

for (const [name, stop] of [
  ['drain()', ({ gateway }: OpenSession) => gateway.app.gateway.drain()],
  ['app.close()', ({ gateway }: OpenSession) => gateway.app.close()]
] as const) {
  t.test(`during ${name} a new handshake gets 503, with Retry-After and Connection: close`, async t => {
    const session = await openSession(t, PATIENT)
    const stopped = stop(session)
    t.equal(await session.client.close(), '1012')
    checkRefusal(t, await exchange(t, session.gateway.port, handshake()))
    // What the client has sent early does not cut its response off.
    checkRefusal(t, await exchange(t, session.gateway.port, Buffer.concat([Buffer.from(handshake()), masked(0x82, Buffer.alloc(30_000))])))
    await answerClose(session, 1012)
    await stopped
    t.equal(session.target.connections, 1, 'no target was dialled')
  })
}

t.test('after drain() handshakes are refused as well, and HTTP is served', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  await gateway.app.gateway.drain()
  checkRefusal(t, await exchange(t, gateway.port, handshake()))
  const answer = exchange(t, gateway.port, 'GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 204 No Content\r\n\r\n').end()
  t.equal((await answer).status, 204)
})

t.test('a handshake under way when drain() begins gets 503, and its target is let go', async t => {
  const session = await openSession(t, PATIENT)
  const { gateway, target } = session
  const waiting = exchange(t, gateway.port, handshake())
  const dialled = await target.next()
  const request = await dialled.head()
  const drained = gateway.app.gateway.drain()
  dialled.write(goodResponse(request))
  checkRefusal(t, await waiting)
  await dialled.over()
  dialled.end()
  t.equal(gateway.app.gateway.sessions.size, 1)
  t.equal(await session.client.close(), '1012')
  await answerClose(session, 1012)
  await drained
})

t.test('many handshakes under way at a time are no leak to warn of', async t => {
  const warnings: Error[] = []
  const note = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', note)
  t.teardown(() => { process.off('warning', note) })
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const answers = Array.from({ length: 30 }, () => exchange(t, gateway.port, handshake()))
  for (let count = 0; count < 30; count++) await (await target.next()).head()
  await gateway.app.gateway.drain()
  for (const answer of await Promise.all(answers)) t.equal(answer.status, 503)
  t.same(warnings, [])
})

t.test("during app.close() a neighbour's handshake is the neighbour's", async t => {
  const setup: Parameters<typeof startGateway>[1]['setup'] = app => {
    app.server.on('upgrade', (request, socket: Duplex) => {
      if (request.url === '/neighbour') socket.end('HTTP/1.1 418 Mine\r\n\r\n')
    })
  }
  const session = await openSession(t, { ...PATIENT, setup })
  const closed = session.gateway.app.close()
  t.equal(await session.client.close(), '1012')
  t.equal((await exchange(t, session.gateway.port, handshake({ path: '/neighbour' }))).status, 418)
  checkRefusal(t, await exchange(t, session.gateway.port, handshake()))
  await answerClose(session, 1012)
  await closed
})

t.test('a spread tells one session after another, in the order they opened', async t => {
  const all = await openSessions(t, 6)
  const { gateway } = all[0]!
  const told: number[] = []
  const drained = gateway.app.gateway.drain({ spread: 900 })
  await Promise.all(all.map(async (session, index) => {
    t.equal(await session.client.close(), '1012')
    told.push(index)
    for (const [later, { client, server }] of all.entries()) {
      if (later > index) t.equal(client.length + server.length, 0, `session ${later} is not told with session ${index}`)
    }
    await answerClose(session, 1012)
  }))
  await drained
  t.same(told, [0, 1, 2, 3, 4, 5])
  t.equal(gateway.ends.length, 6)
  t.equal(resources().timers, 0)
})

t.test('until a session is told, its messages pass', async t => {
  const all = await openSessions(t, 2)
  const [first, second] = all as [OpenSession, OpenSession]
  const drained = first.gateway.app.gateway.drain({ spread: 600 })
  t.equal(await first.client.close(), '1012')
  second.client.write(masked(0x81, 'up'))
  second.server.write(frame(0x81, 'down'))
  t.equal((await second.server.frame()).payload.toString(), 'up')
  t.equal((await second.client.frame()).payload.toString(), 'down')
  t.equal(await second.client.close(), '1012')
  for (const session of all) await answerClose(session, 1012)
  await drained
})

// Issue 8, A2.
t.test('the code is 1012, or any that may stand on the wire', async t => {
  for (const code of [undefined, 1001, 1012, 1013, 4000]) {
    const session = await openSession(t, PATIENT)
    const sent = code ?? 1012
    const drained = session.gateway.app.gateway.drain(code === undefined ? {} : { code })
    t.equal(await session.client.close(), String(sent))
    t.equal(await session.server.close(), String(sent))
    await answerClose(session, sent)
    await drained
    await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: sent, closeSent: { client: sent, target: sent } })
  }
})

for (const drainCode of [undefined, 1001, 4000, false] as const) {
  t.test(`app.close(), and drainCode ${drainCode ?? 'by default'}`, async t => {
    const session = await openSession(t, { ...PATIENT, plugin: drainCode === undefined ? {} : { drainCode } })
    const closed = session.gateway.app.close()
    for (const wire of [session.client, session.server]) {
      if (drainCode === false) t.equal(await wire.rest(), '')
      else t.equal(await wire.close(), String(drainCode ?? 1012))
    }
    await answerClose(session, 1012)
    await closed
    await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: drainCode === false ? 1006 : drainCode ?? 1012 })
  })
}

for (const drainCode of [999, 1005, 1006, 1015, 5000, true, '1012']) {
  t.test(`drainCode ${JSON.stringify(drainCode)} is an error`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(sluice, { drainCode: drainCode as never }) }, /option 'drainCode': must be/)
  })
}

// Issue 8, A2: for clients that only come back after an unclean end.
t.test('the code false ends without a Close, behind the message in flight', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server, gateway } = session
  const up = Buffer.concat([masked(0x01, 'one'), masked(0x80, Buffer.alloc(70_000, 1))])
  const down = frame(0x82, Buffer.alloc(90_000, 2))
  client.write(up.subarray(0, 5000))
  server.write(down.subarray(0, 5000))
  await server.has(5000)
  await client.has(5000)
  const drained = gateway.app.gateway.drain({ code: false })
  client.write(Buffer.concat([up.subarray(5000), masked(0x81, 'too late')]))
  server.write(Buffer.concat([down.subarray(5000), frame(0x81, 'too late')]))
  t.ok((await server.bytes(up.length)).equals(up))
  t.ok((await client.bytes(down.length)).equals(down))
  for (const wire of [client, server]) {
    t.equal(await wire.rest(), '')
    t.equal(wire.error, undefined, 'not a reset')
    wire.end()
  }
  await drained
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1006 })
  t.same(gateway.ends[0]!.closeSent, {})
})

t.test('the code false, and peers that stay: cut after closeTimeout', async t => {
  const session = await openSession(t)
  const started = performance.now()
  await session.gateway.app.gateway.drain({ code: false })
  const took = performance.now() - started
  t.ok(took > 190 && took < 2000, `${took} ms`)
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1006 })
})

t.test('the code false, and a timeout inside a message: cut', async t => {
  const session = await openSession(t, PATIENT)
  session.server.write(frame(0x01, 'half'))
  await session.client.frame()
  await session.gateway.app.gateway.drain({ code: false, timeout: 100 })
  t.equal(await session.client.rest(), '')
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1006 })
})

t.test('a code that may not stand on the wire is a RangeError, and nothing is drained', async t => {
  const session = await openSession(t, PATIENT)
  const { app } = session.gateway
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1001.5, NaN]) await t.rejects(app.gateway.drain({ code }), RangeError, `${code}`)
  const other = await openSession(t, { on: session })
  t.equal(app.gateway.sessions.size, 2)
  t.equal(other.client.length + session.client.length, 0)
})

t.test('a message in flight is finished first', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  const up = Buffer.concat([masked(0x01, 'one'), masked(0x80, Buffer.alloc(70_000, 1))])
  const down = frame(0x82, Buffer.alloc(90_000, 2))
  client.write(up.subarray(0, 5000))
  server.write(down.subarray(0, 5000))
  await server.has(5000)
  await client.has(5000)
  const drained = session.gateway.app.gateway.drain({ code: 1012 })
  client.write(Buffer.concat([up.subarray(5000), masked(0x81, 'too late')]))
  server.write(Buffer.concat([down.subarray(5000), frame(0x81, 'too late')]))
  t.ok((await server.bytes(up.length)).equals(up))
  t.ok((await client.bytes(down.length)).equals(down))
  t.equal(await server.close(), '1012')
  t.equal(await client.close(), '1012')
  await answerClose(session, 1012)
  await drained
})

t.test('after the timeout, what has not answered is destroyed', async t => {
  const session = await openSession(t, PATIENT)
  await session.gateway.app.gateway.drain({ timeout: 100 })
  t.equal(await session.client.close(), '1012')
  t.equal(await session.server.close(), '1012')
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1012 })
})

t.test('a timeout shorter than the spread: the rest is told the same code, and destroyed', async t => {
  const all = await openSessions(t, 2)
  await all[0]!.gateway.app.gateway.drain({ timeout: 100, spread: 60_000, code: 1012 })
  for (const { client, server } of all) {
    t.equal(await client.close(), '1012')
    t.equal(await server.close(), '1012')
  }
  t.match(all[0]!.gateway.ends, [{ reason: 'drain', code: 1012 }, { reason: 'drain', code: 1012 }])
  t.equal(resources().timers, 0)
})

t.test('two drains at a time: both resolve, the shorter limit holds, and there is one Close', async t => {
  const session = await openSession(t, PATIENT)
  const { gateway, client, server } = session
  const first = gateway.app.gateway.drain({ timeout: 60_000 })
  const second = gateway.app.gateway.drain({ timeout: 100, code: 1012 })
  await Promise.all([first, second])
  for (const wire of [client, server]) {
    t.equal(await wire.close(), '1012')
    t.equal(await wire.rest(), '')
  }
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1012 })
})

t.test('app.close() during a drain does not wait for its spread', async t => {
  const all = await openSessions(t, 2)
  const { app } = all[0]!.gateway
  const drained = app.gateway.drain({ spread: 60_000, timeout: 60_000 })
  t.equal(await all[0]!.client.close(), '1012')
  const closed = app.close()
  t.equal(await all[1]!.client.close(), '1012')
  for (const session of all) await answerClose(session, 1012)
  await Promise.all([drained, closed])
  t.equal(resources().timers, 0)
})

t.test('a drain with no sessions is over at once', async t => {
  const target = await rawTarget(t)
  const { app } = await startGateway(t, { targets: [target.url] })
  await app.gateway.drain({ spread: 60_000, timeout: 60_000 })
  await app.gateway.drain()
  t.equal(resources().timers, 0)
})

t.test('a drain ends with the last session, though its spread has not', async t => {
  const all = await openSessions(t, 3)
  const [told, closes, vanishes] = all as [OpenSession, OpenSession, OpenSession]
  const drained = told.gateway.app.gateway.drain({ spread: 60_000 })
  t.equal(await told.client.close(), '1012')
  await answerClose(told, 1012)
  closes.client.write(masked(0x88, closing(1000)))
  t.equal(await closes.server.close(), '1000')
  closes.server.write(frame(0x88, closing(1000))).end()
  t.equal(await closes.client.close(), '1000')
  closes.client.end()
  vanishes.client.reset()
  t.equal(await vanishes.server.rest(), '')
  vanishes.server.end()
  await drained
  t.equal(told.gateway.ends.length, 3)
  t.same(told.gateway.ends.map(({ reason }) => reason).sort(), ['close', 'drain', 'lost'])
  t.equal(resources().timers, 0)
})

t.test('connections that handshakes were refused on are gone after a drain', async t => {
  const session = await openSession(t, PATIENT)
  const { gateway } = session
  const drained = gateway.app.gateway.drain()
  const refused = await Wire.connect(t, gateway.port)
  refused.write(handshake())
  t.match((await refused.head()).start, / 503 /)
  await refused.over()
  refused.end()
  await refused.gone()
  t.equal(await session.client.close(), '1012')
  await answerClose(session, 1012)
  await drained
  await gateway.idle()
})
