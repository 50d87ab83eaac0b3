import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { WebSocketOptions } from '../../../src/options/index.js'
import type { Direction } from '../../../src/websocket/relay/direction.js'
import { ByteDirection } from '../../../src/websocket/relay/byte-direction.js'
import { Watch } from '../../../src/websocket/relay/watch.js'
import { checkEnd, openSession, startGateway } from '../../helpers/gateway.js'
import { handshake } from '../../helpers/raw-client.js'
import { rawTarget } from '../../helpers/raw-target.js'
import { Wire, closing, frame, masked, type Frame } from '../../helpers/wire.js'

/** The timers of sessions that are set; those of a watch keep no process alive, so Node does not list them. */
const timers = new Set<number>()
createHook({
  init: (id, type) => { if (type === 'Timeout' && /src\/websocket\/(watch|session|direction)\./.test(new Error().stack ?? '')) timers.add(id) },
  destroy: id => { timers.delete(id) }
}).enable()

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A test behind which no timer of a session may be left. */
function test (name: string, run: (t: Test) => Promise<void>): void {
  t.test(name, async t => {
    await run(t)
    // That a timer was cleared is told a little later.
    for (let turn = 0; turn < 3; turn++) await pause(1)
    t.equal(timers.size, 0, 'no timer of the session is left')
  })
}

const PATIENT = { closeTimeout: 60_000 }

/** Reads the next frame, which must be a Ping of the gateway, and gives the Pong for it. */
async function pinged (wire: Wire, key?: Buffer): Promise<Buffer> {
  const { opcode, payload, fin } = await wire.frame()
  if (opcode !== 9 || !fin) throw new Error(`expected a Ping, got opcode ${opcode}`)
  return payload.length === 8 ? pong(payload, wire, key) : Promise.reject(new Error("not the gateway's"))
}

/** A Pong as this side writes it; a client is one that got an unmasked Ping. */
function pong (payload: Buffer, wire: Wire, key?: Buffer): Buffer {
  return clients.has(wire) ? masked(0x8a, payload, key) : frame(0x8a, payload)
}

const clients = new WeakSet<Wire>()

async function open (t: Parameters<typeof openSession>[0], websocket: object) {
  const session = await openSession(t, { route: { websocket: { ...PATIENT, ...websocket } } })
  clients.add(session.client)
  return session
}

const text = ({ payload }: Frame) => payload.toString()

/** Both sides answer a Close of the gateway. */
async function answerClose ({ client, server }: { client: Wire, server: Wire }, code: number): Promise<void> {
  client.write(masked(0x88, closing(code)))
  server.write(frame(0x88, closing(code))).end()
  await client.over()
  client.end()
}

// ---- Idleness

test('idleTimeout: 1001 to both; control frames do not count', async t => {
  const started = performance.now()
  const session = await open(t, { idleTimeout: 200, pingInterval: 40 })
  const { client, server } = session
  const control = setInterval(() => {
    client.write(masked(0x89, 'ping'))
    server.write(frame(0x8a, 'pong'))
  }, 30)
  t.teardown(() => { clearInterval(control) })
  for (const wire of [client, server]) {
    for (;;) {
      const { opcode, payload } = await wire.frame()
      if (opcode !== 8) continue
      t.equal(payload.readUInt16BE(), 1001)
      break
    }
  }
  clearInterval(control)
  const took = performance.now() - started
  t.ok(took > 190 && took < 5000, `${took} ms`)
  await answerClose(session, 1001)
  await checkEnd(t, session, { by: 'gateway', reason: 'idle', code: 1001 })
})

for (const way of ['client', 'target'] as const) {
  test(`idleTimeout: data frames of the ${way} count`, async t => {
    const session = await open(t, { idleTimeout: 300 })
    const { client, server } = session
    for (let count = 0; count < 10; count++) {
      if (way === 'client') {
        client.write(masked(0x81, 'x'))
        t.equal((await server.frame()).opcode, 1)
      } else {
        server.write(frame(0x81, 'x'))
        t.equal((await client.frame()).opcode, 1)
      }
      await pause(50)
    }
    t.equal(await client.close(), '1001')
    t.equal(await server.close(), '1001')
    await answerClose(session, 1001)
    await checkEnd(t, session, { reason: 'idle' })
  })
}

test('idleTimeout: a long frame that arrives slowly is not idle', async t => {
  const session = await open(t, { idleTimeout: 400 })
  const { client, server } = session
  const long = frame(0x82, Buffer.alloc(1000, 1))
  for (let at = 0; at < long.length; at += 100) {
    server.write(long.subarray(at, at + 100))
    await pause(60)
  }
  server.write(frame(0x81, 'behind it'))
  t.equal((await client.frame()).payload.length, 1000)
  t.equal(text(await client.frame()), 'behind it')
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'lost' })
})

test('idleTimeout: what the gateway itself holds back is not idle', async t => {
  const session = await open(t, { idleTimeout: 200, messageRate: { messages: 2, burst: 1, action: 'delay' } })
  const { client, server } = session
  client.write(masked(0x81, 'a')).write(masked(0x81, 'b'))
  t.equal(text(await server.frame()), 'a')
  t.equal(text(await server.frame()), 'b')
  // 500 ms later than the first two, at least.
  client.write(masked(0x81, 'c'))
  t.equal(text(await server.frame()), 'c')
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'lost', fromClient: { messages: 3 } })
})

// ---- Pings

test('a silent side is pinged, and its Pong goes no further', async t => {
  const { client, server, gateway } = await open(t, { pingInterval: 50, pongTimeout: 500 })
  const keys = [Buffer.alloc(4), Buffer.from('ffffffff', 'hex'), Buffer.from('00010203', 'hex'), undefined]
  for (const key of keys) {
    const [up, down] = await Promise.all([pinged(client, key), pinged(server)])
    client.write(up)
    server.write(down)
  }
  // A byte at a time.
  const [up, down] = await Promise.all([pinged(client), pinged(server)])
  for (let index = 0; index < up.length; index++) {
    client.write(up.subarray(index, index + 1))
    server.write(down.subarray(index, index + 1))
    await pause(1)
  }
  // With frames before and behind, in one piece.
  const [again, back] = await Promise.all([pinged(client), pinged(server)])
  client.write(Buffer.concat([masked(0x81, 'before'), again, masked(0x81, 'behind')]))
  server.write(Buffer.concat([frame(0x01, 'before'), back, frame(0x80, 'behind')]))
  t.equal(text(await server.frame()), 'before')
  t.equal(text(await server.frame()), 'behind')
  t.equal(text(await client.frame()), 'before')
  t.equal(text(await client.frame()), 'behind')
  t.equal(client.length + server.length, 0, 'and nothing else')
  client.reset()
  server.reset()
  await gateway.ended()
  t.match(gateway.ends[0], { fromClient: { frames: 2, messages: 2 }, fromTarget: { frames: 2, messages: 1 } }, 'nor are they counted')
})

test('a thousandfold Pong to the gateway harms nobody', async t => {
  const { client, server, gateway } = await open(t, { pingInterval: 30, pongTimeout: 5000 })
  const [up, down] = await Promise.all([pinged(client), pinged(server)])
  client.write(Buffer.concat([...Array.from({ length: 20_000 }, () => up), masked(0x81, 'behind')]))
  server.write(Buffer.concat([...Array.from({ length: 20_000 }, () => down), frame(0x81, 'behind')]))
  for (const wire of [client, server]) {
    for (;;) {
      const next = await wire.frame()
      if (next.opcode === 9) continue
      t.equal(text(next), 'behind')
      break
    }
  }
  client.reset()
  server.reset()
  await gateway.ended()
})

test("the peers' own pings and pongs are relayed", async t => {
  const { client, server, gateway } = await open(t, { pingInterval: 60, pongTimeout: 5000 })
  const [up, down] = await Promise.all([pinged(client), pinged(server)])
  const other = Buffer.from('12345678')
  client.write(Buffer.concat([up, masked(0x8a, other), masked(0x89, other), masked(0x8a), masked(0x8a, up.subarray(6, 13))]))
  server.write(Buffer.concat([down, frame(0x8a, other), frame(0x89, other), frame(0x8a, Buffer.alloc(125))]))
  for (const [opcode, length] of [[10, 8], [9, 8], [10, 0], [10, 7]]) {
    const seen = await server.frame()
    t.strictSame([seen.opcode, seen.payload.length], [opcode, length])
  }
  for (const [opcode, length] of [[10, 8], [9, 8], [10, 125]]) {
    const seen = await client.frame()
    t.strictSame([seen.opcode, seen.payload.length], [opcode, length])
  }
  client.reset()
  server.reset()
  await gateway.ended()
})

test("one side's Pong does not answer for the other", async t => {
  const { client, server, gateway } = await open(t, { pingInterval: 40, pongTimeout: 5000 })
  const [toClient, toServer] = [await client.frame(), await server.frame()]
  t.not(toClient.payload.toString('hex'), toServer.payload.toString('hex'))
  client.write(masked(0x8a, toServer.payload))
  t.equal((await server.frame()).opcode, 10, 'it is relayed')
  client.reset()
  server.reset()
  await gateway.ended()
})

test('any byte is a sign of life', async t => {
  const session = await open(t, { pingInterval: 100, pongTimeout: 150 })
  const { client, server } = session
  const up = masked(0x82, Buffer.alloc(60))
  const down = frame(0x82, Buffer.alloc(60))
  for (let index = 0; index < 20; index++) {
    client.write(up.subarray(index, index + 1))
    server.write(down.subarray(index, index + 1))
    await pause(20)
  }
  t.notOk(client.ended || server.ended)
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'lost' })
})

// Issue 8, A1: to the other side, it is lost.
test('a client that answers no ping is gone, and the target sees the end', async t => {
  const started = performance.now()
  const session = await open(t, { pingInterval: 400, pongTimeout: 300 })
  const { client, server } = session
  await pinged(client)
  t.ok(performance.now() - started > 390)
  server.write(await pinged(server))
  await client.over()
  t.ok(performance.now() - started > 690)
  t.equal(await server.rest(), '')
  server.end()
  await checkEnd(t, session, { by: 'client', reason: 'ping-timeout', code: 1006 })
  t.same(session.gateway.ends[0]!.closeSent, {})
})

test('a target that answers no ping is gone, and the client sees the end', async t => {
  const session = await open(t, { pingInterval: 400, pongTimeout: 300 })
  const { client, server } = session
  client.write(await pinged(client))
  await pinged(server)
  t.equal(await client.rest(), '')
  await server.over()
  client.end()
  await checkEnd(t, session, { by: 'target', reason: 'ping-timeout', code: 1006 })
})

test('pingInterval false: nobody is pinged, however silent', async t => {
  const session = await open(t, { pingInterval: false, pongTimeout: 1 })
  await pause(100)
  t.equal(session.client.length + session.server.length, 0)
  session.client.reset()
  session.server.reset()
  await session.gateway.ended()
})

test('a ping waits while a frame to the peer is open', async t => {
  const session = await open(t, { pingInterval: 40, pongTimeout: 5000 })
  const { client, server } = session
  const down = frame(0x82, Buffer.alloc(300, 7))
  server.write(down.subarray(0, 100))
  await client.has(100)
  await pause(120)
  t.equal(client.length, 100, 'nothing is put inside the frame')
  server.write(down.subarray(100))
  t.ok((await client.frame()).payload.equals(Buffer.alloc(300, 7)))
  client.write(await pinged(client))
  client.reset()
  server.reset()
  await session.gateway.ended()
})

test('a closing session is not pinged, nor given up for its silence', async t => {
  const session = await open(t, { pingInterval: 30, pongTimeout: 30 })
  const { client, server } = session
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  await pause(150)
  t.equal(client.length + server.length, 0)
  server.write(frame(0x88, closing(1000))).end()
  t.equal(await client.close(), '1000')
  client.end()
  await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000 })
})

test('a side that is held back does not count as silent', async t => {
  const session = await open(t, { pingInterval: 50, pongTimeout: 50, stallTimeout: 60_000 })
  const { client, server } = session
  server.socket.pause()
  const frames = Array.from({ length: 32 }, () => masked(0x82, Buffer.alloc(1 << 20)))
  for (const bytes of frames) client.write(bytes)
  // The client cannot send a pong now, and the target does.
  const pongs = setInterval(() => { server.write(frame(0x8a)) }, 20)
  t.teardown(() => { clearInterval(pongs) })
  await pause(400)
  t.notOk(client.ended || client.closed)
  server.socket.resume()
  for (const bytes of frames) await server.bytes(bytes.length)
  clearInterval(pongs)
  client.reset()
  server.reset()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { reason: 'lost', fromClient: { messages: 32 } })
})

// ---- Stalls

for (const side of ['client', 'target'] as const) {
  const make = side === 'client' ? frame : masked

  test(`stallTimeout: a ${side} that reads nothing is destroyed, and the other sees the end`, async t => {
    const session = await open(t, { stallTimeout: 150, pingInterval: false, closeTimeout: 500 })
    const [reader, sender] = side === 'client' ? [session.client, session.server] : [session.server, session.client]
    reader.socket.pause()
    const started = performance.now()
    for (let count = 0; count < 32; count++) sender.write(make(0x82, Buffer.alloc(1 << 20)))
    t.equal(await sender.rest(), '')
    t.ok(performance.now() - started > 140)
    await session.gateway.ended()
    await session.gateway.idle()
    reader.socket.resume()
    sender.end()
    await checkEnd(t, session, { by: side, reason: 'stalled', code: 1006 })
  })

  test(`stallTimeout: a ${side} that reads slowly but steadily is left alone`, async t => {
    const session = await open(t, { stallTimeout: 1000, pingInterval: false })
    const [reader, sender] = side === 'client' ? [session.client, session.server] : [session.server, session.client]
    reader.socket.pause()
    const total = 32
    const size = make(0x82, Buffer.alloc(1 << 20)).length
    for (let count = 0; count < total; count++) sender.write(make(0x82, Buffer.alloc(1 << 20)))
    const started = performance.now()
    // A chunk at a time.
    reader.socket.on('data', () => { reader.socket.pause() })
    const reads = setInterval(() => { reader.socket.resume() }, 3)
    t.teardown(() => { clearInterval(reads) })
    await reader.has(total * size)
    clearInterval(reads)
    t.ok(performance.now() - started > 1000, `it took ${Math.round(performance.now() - started)} ms, longer than stallTimeout`)
    sender.reset()
    reader.reset()
    await session.gateway.ended()
    t.match(session.gateway.ends[0], { reason: 'lost' })
  })

  test(`pongTimeout: what the system takes for a ${side} that reads nothing is no sign of life`, async t => {
    const session = await open(t, { pingInterval: 100, pongTimeout: 300, closeTimeout: 100 })
    const [reader, sender] = side === 'client' ? [session.client, session.server] : [session.server, session.client]
    reader.socket.pause()
    const started = performance.now()
    // Larger than the high-water mark, and all of them far from filling the system's buffers.
    const talk = setInterval(() => { sender.write(make(0x82, Buffer.alloc(20_000))) }, 30)
    t.teardown(() => { clearInterval(talk) })
    await session.gateway.ended()
    clearInterval(talk)
    const took = performance.now() - started
    t.ok(took < 3000, `${took} ms`)
    t.match(session.gateway.ends[0], { by: side, reason: 'ping-timeout' })
    reader.socket.resume()
  })
}

// Issue 8, A7: the Pong of a slow reader waits behind what it has not read.
test('pongTimeout: a side that takes bytes which waited for it is alive; one that stops is found', async t => {
  let takes = true
  const way = (takenAt: () => number) => ({ source: new PassThrough().resume(), sink: new PassThrough(), readAt: performance.now(), dataAt: 0, ended: false, blocked: false, get takenAt () { return takenAt() } }) as unknown as Direction
  let last = performance.now()
  const pinged = way(() => 0)
  const heard = way(() => takes ? (last = performance.now()) : last)
  let watch: Watch | undefined
  const silent = new Promise<Direction>(resolve => {
    watch = new Watch({ pingInterval: 30, pongTimeout: 100, stallTimeout: 60_000, endsAt: Infinity }, [pinged, heard], direction => direction === pinged, {
      onIdle () {}, onTimeUp () {}, onStall () {}, onSilence: resolve
    })
    watch.start()
  })
  const first = await Promise.race([silent, pause(500)])
  t.equal(first, undefined, 'alive')
  takes = false
  const keep = setInterval(() => {}, 1000)
  t.equal(await silent, pinged)
  clearInterval(keep)
  watch!.end()
})

// Issue 8, A7: else whether a frame is open when a reader stops would decide whether it is ever found.
for (const blocked of [true, false]) {
  test(`pongTimeout: a side that cannot be pinged within a frame ${blocked ? 'is found when it takes nothing of that' : 'is pinged later when it is the frame that is late'}`, async t => {
    const way = (blocked: boolean) => ({ source: new PassThrough().resume(), sink: new PassThrough(), readAt: performance.now(), dataAt: 0, takenAt: 0, ended: false, blocked }) as unknown as Direction
    const [reader, writer] = [way(false), way(blocked)]
    let watch: Watch | undefined
    const silent = new Promise<Direction>(resolve => {
      watch = new Watch({ pingInterval: 30, pongTimeout: 60, stallTimeout: 60_000, endsAt: Infinity }, [reader, writer], () => false, {
        onIdle () {}, onTimeUp () {}, onStall () {}, onSilence: resolve
      })
      watch.start()
    })
    t.equal(await Promise.race([silent, pause(blocked ? 5000 : 300)]), blocked ? reader : undefined)
    watch!.end()
  })
}

test('what a sink takes is noted where it had to wait, and only there', async t => {
  for (const wait of [0, 60]) {
    const sink = new Duplex({ read () {}, highWaterMark: 10, write (_chunk, _encoding, done) { setTimeout(done, wait) } })
    const source = new PassThrough()
    const direction = new ByteDirection(source, sink, { masked: false, allowedRsv: 0 }, { onProgress () {}, onBlocked () {}, onOwnPong () {}, onCloseRead: () => false, onClose () {}, onViolation () {}, onSinkDone () {}, onEnd () {} })
    direction.start()
    const drained = once(sink, 'drain')
    source.write(frame(0x82, Buffer.alloc(100)))
    await drained
    t.equal(direction.takenAt > 0, wait > 0)
  }
})

// Issue 8, A7: a target at a breakpoint, and a device that never answers a ping, get two minutes.
t.test('the default limits', async t => {
  const { pingInterval, pongTimeout, handshakeTimeout } = WebSocketOptions.properties
  t.strictSame([pingInterval.default, pongTimeout.default, handshakeTimeout.default], [30_000, 90_000, 60_000])
  const set: unknown[] = []
  const { setTimeout: original } = globalThis
  t.teardown(() => { globalThis.setTimeout = original })
  globalThis.setTimeout = Object.assign((run: () => void, delay?: number) => { set.push(delay); return original(run, delay) }, original) as typeof setTimeout
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  await (await target.next()).head()
  t.ok(set.includes(60_000), 'for the handshake')
  client.reset()
})
