import t from 'tap'
import { checkEnd, openSession, resources } from '../../helpers/gateway.js'
import { closing, frame, masked, type Wire } from '../../helpers/wire.js'
import type { MessageRate } from '../../../src/options/index.js'

const open = (t: Parameters<typeof openSession>[0], messageRate: MessageRate, more: object = {}) =>
  openSession(t, { route: { websocket: { closeTimeout: 60_000, messageRate, ...more } } })

const send = (client: Wire, from: number, count: number, size = 0) => {
  for (let index = from; index < from + count; index++) client.write(masked(0x81, `${index} ${'x'.repeat(size)}`))
}

const read = async (server: Wire, count: number) => {
  const seen: number[] = []
  while (seen.length < count) seen.push(parseInt((await server.frame()).payload.toString(), 10))
  return seen
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

t.test("'close': 1008 to both, for more than a burst", async t => {
  for (const rate of [{ messages: 0.01, burst: 5 }, { messages: 0.01, burst: 5, action: 'close' as const }]) {
    const session = await open(t, rate)
    const { client, server } = session
    send(client, 0, 5)
    t.strictSame(await read(server, 5), upTo(5))
    client.write(masked(0x89)).write(masked(0x01, 'half'))
    t.equal((await server.frame()).opcode, 9, 'what is no message does not count')
    t.equal((await server.frame()).opcode, 1)
    client.write(masked(0x80))
    t.equal((await server.frame()).opcode, 0)
    t.equal(await server.close(), '1008')
    t.equal(await client.close(), '1008')
    client.write(masked(0x88, closing(1008)))
    server.write(frame(0x88, closing(1008))).end()
    await client.over()
    client.end()
    await checkEnd(t, session, { by: 'gateway', reason: 'rate', code: 1008, fromClient: { messages: 6 } })
  }
})

t.test("'close': bytes", async t => {
  const session = await open(t, { messages: 1000, bytes: 100 })
  const { client, server } = session
  send(client, 0, 1, 1000)
  await read(server, 1)
  t.equal(await server.close(), '1008')
  client.reset()
  server.end()
  await checkEnd(t, session, { reason: 'rate' })
})

// Issue 8, C22: none of these is a message, or ends one.
const CHEAP: Record<string, Buffer> = {
  pings: masked(0x89),
  pongs: masked(0x8a, 'unasked'),
  'continuations without payload': masked(0x00),
  'continuations of a byte': masked(0x00, 'x')
}
for (const [name, cheap] of Object.entries(CHEAP)) {
  t.test(`'close': a client that sends no message but ${name}`, async t => {
    const session = await open(t, { messages: 1 }, { closeTimeout: 300 })
    const { client, server } = session
    client.write(masked(0x01, 'begun'))
    await server.frame()
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => cheap))
    const floods = setInterval(() => { client.write(flood) }, 5)
    t.teardown(() => { clearInterval(floods) })
    client.socket.once('close', () => { clearInterval(floods) })
    t.equal(await client.close(), '1008')
    // Cut after closeTimeout, though it goes on.
    await checkEnd(t, session, { by: 'gateway', reason: 'rate', code: 1008, fromClient: { messages: 0 } })
  })
}

t.test("'close': copies of the Pong for the gateway count, though they go no further", async t => {
  const session = await open(t, { messages: 1 }, { closeTimeout: 200, pingInterval: 30 })
  const { client } = session
  const { opcode, payload } = await client.frame()
  t.equal(opcode, 9)
  client.write(Buffer.concat(Array.from({ length: 200 }, () => masked(0x8a, payload))))
  for (;;) {
    const next = await client.frame()
    if (next.opcode === 9) continue
    t.equal(next.payload.readUInt16BE(), 1008)
    break
  }
  await checkEnd(t, session, { by: 'gateway', reason: 'rate', fromClient: { frames: 0 } })
})

t.test("'delay': frames", async t => {
  const session = await open(t, { messages: 1000, frames: 100, burst: 1, action: 'delay' })
  const { client, server } = session
  const started = performance.now()
  const ping = masked(0x89)
  client.write(Buffer.concat(Array.from({ length: 150 }, () => ping)))
  await server.has(150 * 6)
  await server.bytes(150 * 6)
  client.write(masked(0x81, 'behind'))
  t.equal((await server.frame()).payload.toString(), 'behind')
  t.ok(performance.now() - started > 480, '50 more than a second has')
  client.reset()
  server.reset()
  await session.gateway.ended()
})

t.test('a client that fragments its messages is within its rate', async t => {
  const session = await open(t, { messages: 20, burst: 20 })
  const { client, server } = session
  const message = Buffer.concat([masked(0x01, 'a'), ...Array.from({ length: 7 }, () => masked(0x00, 'b')), masked(0x89), masked(0x80, 'c')])
  for (let count = 0; count < 20; count++) client.write(message)
  await server.bytes(20 * message.length)
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'close', fromClient: { messages: 20 } })
})

t.test('what the target sends has no limit', async t => {
  const session = await open(t, { messages: 1, bytes: 100 })
  const { client, server } = session
  const many = Buffer.concat(upTo(100).map(index => frame(0x81, String(index))))
  server.write(many)
  t.ok((await client.bytes(many.length)).equals(many))
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'lost' })
})

t.test('a client within its rate goes on for long, and a pause fills the bucket', async t => {
  const session = await open(t, { messages: 50, burst: 5 })
  const { client, server } = session
  for (let turn = 0; turn < 4; turn++) {
    send(client, turn * 5, 5)
    t.strictSame(await read(server, 5), upTo(5).map(index => index + turn * 5))
    await new Promise(resolve => setTimeout(resolve, 130))
  }
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'lost', fromClient: { messages: 20 } })
})

t.test("'delay': all arrives, in order, later", async t => {
  const session = await open(t, { messages: 100, burst: 10, action: 'delay' })
  const { client, server } = session
  const started = performance.now()
  for (let index = 0; index < 60; index++) {
    send(client, index, 1)
    // So that they do not all come in one read.
    await new Promise(resolve => setImmediate(resolve))
  }
  t.strictSame(await read(server, 60), upTo(60))
  // What came behind the last one waits for it.
  client.write(masked(0x88, closing(1000, 'done')))
  t.equal(await server.close(), '1000 done')
  const took = performance.now() - started
  t.ok(took >= 480, `${Math.round(took)} ms for 50 more than the burst`)
  server.write(frame(0x88, closing(1000))).end()
  await client.over()
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000, fromClient: { messages: 60 } })
})

t.test("'delay': bytes, and backpressure to the client", async t => {
  const session = await open(t, { messages: 1e9, bytes: 40_000_000, action: 'delay' })
  const { client, server } = session
  const started = performance.now()
  const message = masked(0x82, Buffer.alloc(1 << 20))
  for (let count = 0; count < 52; count++) client.write(message)
  for (let count = 0; count < 52; count++) {
    if ((await server.frame()).payload.length !== 1 << 20) t.fail('a message is incomplete')
  }
  const took = performance.now() - started
  // 54 MB, of which 40 are the burst.
  t.ok(took >= 300, `${Math.round(took)} ms`)
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { fromClient: { messages: 52 } })
})

t.test("'delay': the other way is not delayed", async t => {
  const { client, server, gateway } = await open(t, { messages: 0.001, burst: 1, action: 'delay' })
  send(client, 0, 2)
  t.strictSame(await read(server, 2), [0, 1])
  server.write(frame(0x81, 'now'))
  t.equal((await client.frame()).payload.toString(), 'now')
  client.reset()
  server.reset()
  await gateway.ended()
  t.equal(resources().timers, 0, 'the delay is over')
})

t.test("'delay': a delay longer than a timer can be is a delay still", async t => {
  const { client, server, gateway } = await open(t, { messages: 1e-9, action: 'delay' })
  send(client, 0, 2)
  t.strictSame(await read(server, 2), [0, 1])
  await new Promise(resolve => setTimeout(resolve, 20))
  send(client, 2, 1)
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(server.length, 0)
  client.reset()
  server.reset()
  await gateway.ended()
  t.equal(resources().timers, 0)
})

t.test("'delay': a Close of the gateway does not wait for it, nor does the target's", async t => {
  const gatewayCloses = await open(t, { messages: 0.001, action: 'delay' })
  send(gatewayCloses.client, 0, 2)
  await read(gatewayCloses.server, 2)
  gatewayCloses.gateway.app.gateway.sessions.close(4000)
  t.equal(await gatewayCloses.client.close(), '4000')
  t.equal(await gatewayCloses.server.close(), '4000')
  gatewayCloses.client.write(masked(0x88, closing(4000))).end()
  gatewayCloses.server.write(frame(0x88, closing(4000))).end()
  await checkEnd(t, gatewayCloses, { reason: 'application' })

  const targetCloses = await open(t, { messages: 0.001, action: 'delay' }, { closeTimeout: 100 })
  send(targetCloses.client, 0, 2)
  await read(targetCloses.server, 2)
  targetCloses.server.write(frame(0x88, closing(1000)))
  t.equal(await targetCloses.client.close(), '1000')
  targetCloses.client.write(masked(0x88, closing(1000))).end()
  t.equal(await targetCloses.server.close(), '1000')
  targetCloses.server.end()
  await checkEnd(t, targetCloses, { by: 'target', reason: 'close', code: 1000 })
})
