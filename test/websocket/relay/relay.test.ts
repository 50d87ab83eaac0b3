import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { WebSocket, type CloseEvent } from 'ws'
import type { SessionEnd } from '../../../src/index.js'
import { Session } from '../../../src/websocket/relay/relay.js'
import { checkEnd, openSession, startGateway } from '../../helpers/gateway.js'
import { handshake } from '../../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../../helpers/raw-target.js'
import { Wire, closing, frame, masked } from '../../helpers/wire.js'

/** The test's route has a closeTimeout of 200 ms; this one is never reached in good time. */
const PATIENT = { route: { websocket: { closeTimeout: 60_000 } } }

for (const [name, payload, text, code] of [
  ['a code and a reason', closing(1000, 'bye €'), '1000 bye €', 1000],
  ['a code alone', closing(4999), '4999', 4999],
  ['no code', Buffer.alloc(0), '', 1005],
  ['a code that should not be on the wire', closing(1006, 'x'), '1006 x', 1006],
  ['a reason of 123 bytes', closing(3000, 'r'.repeat(123)), `3000 ${'r'.repeat(123)}`, 3000]
] as const) {
  t.test(`the client closes with ${name}`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    client.write(masked(0x88, payload))
    t.equal(await server.close(), text)
    server.write(frame(0x88, payload)).end()
    t.equal(await client.close(), text)
    await client.over()
    client.end()
    await checkEnd(t, session, { by: 'client', reason: 'close', code, fromClient: { frames: 1, messages: 0, bytes: 6 + payload.length }, fromTarget: { frames: 1, messages: 0, bytes: 2 + payload.length } })
  })

  t.test(`the target closes with ${name}`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    server.write(frame(0x88, payload))
    t.equal(await client.close(), text)
    client.write(masked(0x88, payload))
    t.equal(await server.close(), text)
    server.end()
    await client.over()
    client.end()
    await checkEnd(t, session, { by: 'target', reason: 'close', code, closeSent: { client: code, target: code } })
  })
}

t.test('both close at once', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  client.write(masked(0x88, closing(1000, 'me')))
  server.write(frame(0x88, closing(1001, 'no, me'))).end()
  t.equal(await server.close(), '1000 me')
  t.equal(await client.close(), '1001 no, me')
  await client.over()
  client.end()
  await checkEnd(t, session, { reason: 'close' })
})

t.test('what stands behind a Close is not relayed', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  client.write(Buffer.concat([masked(0x88, closing(1000)), masked(0x81, 'late'), Buffer.alloc(1000)]))
  t.equal(await server.close(), '1000')
  server.write(Buffer.concat([frame(0x81, 'last'), frame(0x88, closing(1000)), frame(0x81, 'later')])).end()
  t.equal((await client.frame()).payload.toString(), 'last', 'what the other side says before its own Close is')
  t.equal(await client.close(), '1000')
  t.equal(await client.rest(), '')
  client.end()
  t.equal(await server.rest(), '')
  await checkEnd(t, session, { by: 'client', code: 1000, fromClient: { frames: 1 }, fromTarget: { frames: 2, messages: 1 } })
})

t.test('a client that closes and leaves at once', async t => {
  for (const leave of ['end', 'reset'] as const) {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    client.write(masked(0x88, closing(1001)))
    if (leave === 'end') client.end()
    else client.socket.end(() => client.reset())
    t.equal(await server.close(), '1001')
    await server.over()
    server.write(frame(0x88, closing(1001))).end()
    await checkEnd(t, session, { by: 'client', reason: 'close', code: 1001 })
  }
})

// Issue 8, A1: what a peer ended without a Close ends without one for the other.
for (const vanish of ['end', 'reset'] as const) {
  t.test(`the client vanishes (${vanish}): the target sees the end, without a Close`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    client.write(masked(0x81, 'hello'))
    t.equal((await server.frame()).payload.toString(), 'hello')
    client[vanish]()
    t.equal(await server.rest(), '')
    t.equal(server.error, undefined, 'not a reset')
    server.end()
    await checkEnd(t, session, { by: 'client', reason: 'lost', code: 1006, closeSent: {}, fromClient: { frames: 1, messages: 1, bytes: 11 } })
    t.same(session.gateway.ends[0]!.closeSent, {})
  })

  t.test(`the client vanishes inside a fragmented message (${vanish}): the end all the same`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    client.write(masked(0x01, 'half'))
    await server.frame()
    client[vanish]()
    t.equal(await server.rest(), '')
    server.end()
    await checkEnd(t, session, { by: 'client', reason: 'lost' })
  })
}

t.test('the client vanishes inside a frame: the target is cut off', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  const bytes = masked(0x82, Buffer.alloc(1000))
  client.write(bytes.subarray(0, 500))
  await server.has(500)
  client.reset()
  t.equal((await server.rest()).length, 500)
  server.end()
  await checkEnd(t, session, { by: 'client', reason: 'lost', fromClient: { frames: 1, messages: 0, bytes: 500 } })
})

t.test('who is cut off inside a frame still gets what was written before', async t => {
  const written: Buffer[] = []
  let release!: () => void
  const released = new Promise<void>(resolve => { release = resolve })
  const client = new Duplex({
    read () {},
    write (chunk: Buffer, _encoding, done) {
      written.push(chunk)
      released.then(() => done(), t.threw)
    }
  })
  const target = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  const ended = new Promise<SessionEnd>(resolve => {
    new Session({ client, target, allowedRsv: 0, closeTimeout: 60_000, onEnd: resolve }).start()
  })
  const bytes = Buffer.concat([frame(0x81, 'whole'), frame(0x82, Buffer.alloc(100))]).subarray(0, 60)
  for (const byte of bytes) target.push(Buffer.of(byte))
  target.push(null)
  await once(target, 'end')
  t.equal(client.writableFinished, false)
  release()
  await once(client, 'finish')
  t.ok(Buffer.concat(written).equals(bytes))
  client.push(null)
  t.match(await ended, { by: 'target', reason: 'lost', fromTarget: { messages: 1 } })
})

/** A session of a target that says something and ends, and of a client that takes it when it is let. */
function slowClient (stallTimeout: number): { client: Duplex, taken: Buffer[], take: () => void, ended: Promise<SessionEnd> } {
  const taken: Buffer[] = []
  let take!: () => void
  const allowed = new Promise<void>(resolve => { take = resolve })
  const client = new Duplex({
    read () {},
    write (chunk: Buffer, _encoding, done) {
      allowed.then(() => { taken.push(chunk); done() }, t.threw)
    }
  })
  const target = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  const ended = new Promise<SessionEnd>(resolve => {
    new Session({ client, target, allowedRsv: 0, closeTimeout: 40, watch: { pingInterval: false, pongTimeout: 1, stallTimeout }, onEnd: resolve }).start()
  })
  target.push(frame(0x81, 'last words'))
  target.push(null)
  return { client, taken, take, ended }
}

// Issue 8, A1: the wait for what was relayed is not that for a Close.
t.test('what a lost peer said last waits for a slow reader, beyond closeTimeout', async t => {
  const { client, taken, take, ended } = slowClient(60_000)
  // Five times closeTimeout.
  await new Promise(resolve => setTimeout(resolve, 200))
  t.equal(client.destroyed, false)
  take()
  await once(client, 'finish')
  t.ok(Buffer.concat(taken).equals(frame(0x81, 'last words')))
  t.match(await ended, { by: 'target', reason: 'lost' }, 'and behind it, closeTimeout')
})

t.test('but not for ever: stallTimeout', async t => {
  const { client, taken, ended } = slowClient(100)
  t.match(await ended, { by: 'target', reason: 'lost' })
  t.equal(client.destroyed, true)
  t.same(taken, [])
})

t.test('who is cut off inside a frame and stays is destroyed after closeTimeout', async t => {
  const session = await openSession(t)
  const { client, server } = session
  server.write(frame(0x82, Buffer.alloc(1000)).subarray(0, 500))
  await client.has(500)
  server.reset()
  await checkEnd(t, session, { by: 'target', reason: 'lost' })
})

t.test('the client vanishes inside a header: nothing of it was sent on', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  client.write(Buffer.concat([masked(0x81, 'a'), masked(0x82, Buffer.alloc(1000)).subarray(0, 5)]))
  await server.frame()
  client.end()
  t.equal(await server.rest(), '')
  server.end()
  await checkEnd(t, session, { by: 'client', reason: 'lost', fromClient: { frames: 1 } })
})

for (const vanish of ['end', 'reset'] as const) {
  t.test(`the target vanishes (${vanish}): the client sees the end, without a Close`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    server.write(frame(0x81, 'hello'))
    t.equal((await client.frame()).payload.toString(), 'hello')
    server[vanish]()
    t.equal(await client.rest(), '')
    t.equal(client.error, undefined, 'not a reset')
    client.end()
    await checkEnd(t, session, { by: 'target', reason: 'lost', code: 1006 })
    t.same(session.gateway.ends[0]!.closeSent, {})
  })

  // Issue 8, A1: a client that comes back only after an unclean end, as those of Vite 5 and of rxjs do.
  t.test(`the target vanishes (${vanish}): wasClean is false, and the code 1006`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url] })
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`)
    const server = await target.next()
    server.write(goodResponse(await server.head())).write(frame(0x81, 'hello'))
    const [data] = await once(socket, 'message') as [Buffer]
    t.equal(data.toString(), 'hello')
    const ended = new Promise<CloseEvent>(resolve => { socket.onclose = resolve as never })
    server[vanish]()
    t.match(await ended, { wasClean: false, code: 1006 })
    server.end()
    await gateway.ended()
  })

  t.test(`the target vanishes inside a frame (${vanish}): the client is cut off`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    server.write(frame(0x82, Buffer.alloc(1000)).subarray(0, 500))
    await client.has(500)
    server[vanish]()
    t.equal((await client.rest()).length, 500)
    client.end()
    await checkEnd(t, session, { by: 'target', reason: 'lost' })
  })

  t.test(`the target vanishes inside a message (${vanish}): the end at the frame boundary`, async t => {
    const session = await openSession(t, PATIENT)
    const { client, server } = session
    server.write(frame(0x02, 'half'))
    await client.frame()
    server[vanish]()
    t.equal(await client.rest(), '')
    client.end()
    await checkEnd(t, session, { by: 'target', reason: 'lost' })
  })
}

// Issue 8, A1: never before the data that was relayed, and no closeTimeout counts until then.
t.test('the target ends while a slow client has not read all: all arrives, then the end', async t => {
  const session = await openSession(t, { route: { websocket: { closeTimeout: 50, stallTimeout: 60_000 } } })
  const { client, server } = session
  const length = 24 << 20
  client.socket.pause()
  server.write(frame(0x82, Buffer.alloc(length, 7))).end()
  // A chunk at a time, and long pauses, in which the system takes nothing.
  let seen = 0
  client.socket.on('data', () => {
    client.socket.pause()
    setTimeout(() => { client.socket.resume() }, ++seen % 40 === 0 ? 150 : 1).unref()
  })
  client.socket.resume()
  await client.over()
  t.equal(client.length, length + 10)
  t.equal(client.error, undefined)
  client.end()
  await checkEnd(t, session, { by: 'target', reason: 'lost', fromTarget: { messages: 1 } })
})

t.test('the target vanishes, and the client stays: cut after closeTimeout, whatever it still sends', async t => {
  const session = await openSession(t)
  const { client, server } = session
  const started = performance.now()
  const talk = setInterval(() => { client.write(masked(0x81, 'tick')) }, 20)
  t.teardown(() => { clearInterval(talk) })
  client.socket.once('close', () => { clearInterval(talk) })
  server.reset()
  await client.over()
  await session.gateway.ended()
  t.ok(performance.now() - started < 2000, 'in bounded time')
  await checkEnd(t, session, { by: 'target', reason: 'lost' })
})

// Issue 8, A4.
t.test('a target that writes 101, ends its half and never reads lets go of its socket at once', async t => {
  for (const lossCode of [undefined, 1011]) {
    const target = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    const gone = new Promise<void>(resolve => {
      target.on('connection', socket => {
        // It reads the handshake, and no byte behind it.
        socket.on('error', t.threw).on('close', () => resolve())
        socket.once('data', data => {
          socket.pause()
          socket.end(goodResponse({ start: '', headers: [['sec-websocket-key', /sec-websocket-key: (\S+)/i.exec(data.toString())![1]!]] }))
        })
        socket.resume()
      })
    })
    await new Promise<void>(resolve => target.listen(0, '127.0.0.1', resolve))
    t.teardown(() => { target.close() })
    const gateway = await startGateway(t, {
      targets: [`http://127.0.0.1:${(target.address() as AddressInfo).port}`],
      route: { websocket: { closeTimeout: 60_000, ...(lossCode !== undefined && { lossCode }) } }
    })
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    t.match((await client.head()).start, / 101 /)
    await gone
    if (lossCode === undefined) t.equal(await client.rest(), '')
    else t.equal(await client.close(), String(lossCode))
    client.write(masked(0x88, closing(1011))).end()
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'target', reason: 'lost', code: 1006 })
    // Issue 8, A3.
    t.same(gateway.ends[0]!.closeSent, lossCode === undefined ? {} : { client: lossCode })
  }
})

t.test('a drain writes no Close at a client that has ended its half without one', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server, gateway } = session
  client.end()
  t.equal(await server.rest(), '')
  server.write(frame(0x81, 'still'))
  t.equal((await client.frame()).payload.toString(), 'still')
  const closed = gateway.app.close()
  t.equal(await client.rest(), '')
  server.end()
  await closed
  await checkEnd(t, session, { by: 'client', reason: 'lost', code: 1006 })
  t.same(gateway.ends[0]!.closeSent, {})
})

t.test('the target is lost with the 101 itself', async t => {
  for (const lose of ['end', 'reset'] as const) {
    const { client, server, gateway, answer } = await openSession(t)
    t.match(answer.start, / 101 /)
    server[lose]()
    t.equal(await client.rest(), '')
    client.end()
    await gateway.ended()
    await gateway.idle()
  }
})

t.test("a client's half-close lets the other way flow to its end", async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  client.write(masked(0x81, 'that is all')).end()
  t.equal((await server.frame()).payload.toString(), 'that is all')
  t.equal(await server.rest(), '')
  const long = frame(0x82, Buffer.alloc(3 << 20, 7))
  server.write(long)
  t.ok((await client.bytes(long.length)).equals(long))
  server.write(frame(0x88, closing(1001))).end()
  t.equal(await client.close(), '1001')
  await checkEnd(t, session, { by: 'client', reason: 'lost', fromTarget: { messages: 1 } })
})

t.test("a target's half-close ends both ways: what the client still says goes nowhere", async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  client.write(masked(0x81, 'before'))
  t.equal((await server.frame()).payload.toString(), 'before')
  server.end()
  t.equal(await client.rest(), '')
  client.write(masked(0x81, 'last words')).write(masked(0x88, closing(1000))).end()
  t.equal(await server.rest(), '')
  await checkEnd(t, session, { by: 'target', reason: 'lost' })
})

t.test("a target that ends without answering the client's Close: the client sees no response either", async t => {
  const session = await openSession(t, PATIENT)
  const { client, server } = session
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  server.end()
  t.equal(await client.rest(), '')
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000 })
  t.same(session.gateway.ends[0]!.closeSent, { target: 1000 })
})

t.test("a target that never answers the client's Close: the client gets its own code back", async t => {
  const session = await openSession(t)
  const { client, server } = session
  const started = performance.now()
  client.write(masked(0x88, closing(4321, 'mine')))
  t.equal(await server.close(), '4321 mine')
  t.equal(await client.close(), '4321')
  t.ok(performance.now() - started > 150, 'after closeTimeout')
  await client.over()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 4321 })
})

t.test("a target that goes on talking does not keep the client's Close waiting for ever", async t => {
  const session = await openSession(t)
  const { client, server } = session
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  const talk = setInterval(() => { server.write(frame(0x81, 'tick')) }, 20)
  t.teardown(() => { clearInterval(talk) })
  for (;;) {
    const { opcode, payload } = await client.frame()
    if (opcode === 1) continue
    t.equal(payload.readUInt16BE(), 1000)
    break
  }
  await client.over()
  await session.gateway.ended()
  clearInterval(talk)
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000 })
})

t.test("a client that never answers the target's Close: the target gets its own code back, and both are cut", async t => {
  const session = await openSession(t)
  const { client, server } = session
  server.write(frame(0x88, closing(4001)))
  t.equal(await client.close(), '4001')
  t.equal(await server.close(), '4001')
  await checkEnd(t, session, { by: 'target', reason: 'close', code: 4001 })
})

t.test('a long message that is on its way when the other side closes is not cut, while it flows', async t => {
  const session = await openSession(t)
  const { client, server } = session
  const long = frame(0x82, Buffer.alloc(100_000, 3))
  server.write(long.subarray(0, 1000))
  await client.has(1000)
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  // Half again as long as closeTimeout, a piece at a time.
  for (let at = 1000; at < long.length; at += 10_000) {
    server.write(long.subarray(at, at + 10_000))
    await new Promise(resolve => setTimeout(resolve, 30))
  }
  server.write(frame(0x88, closing(1000))).end()
  t.ok((await client.bytes(long.length)).equals(long))
  t.equal(await client.close(), '1000')
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000, fromTarget: { messages: 1 } })
})

t.test('a client that closes and does not read any more: cut in bounded time', async t => {
  const session = await openSession(t)
  const { client, server } = session
  client.socket.pause()
  for (let count = 0; count < 32; count++) server.write(frame(0x82, Buffer.alloc(1 << 20)))
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  await session.gateway.ended()
  await session.gateway.idle()
  t.match(session.gateway.ends, [{ by: 'client', reason: 'close', code: 1000 }])
})
