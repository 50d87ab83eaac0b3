import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import type { MessageOptions, WebSocketSession } from '../../../src/index.js'
import { FrameScanner } from '../../../src/websocket/relay/frames.js'
import { GatheredMessage } from '../../../src/websocket/relay/gathered-message.js'
import { SendQueue } from '../../../src/websocket/relay/send-queue.js'
import { openSession, resources, type OpenSession } from '../../helpers/gateway.js'
import { collectGarbage, memoryInUse } from '../../helpers/memory.js'
import { closing, frame, masked, type Teardown } from '../../helpers/wire.js'

// What a peer does to cost the gateway memory, time or the process.

async function open (t: Teardown, messages: MessageOptions, websocket: object = {}): Promise<OpenSession & { session: WebSocketSession }> {
  let session: WebSocketSession | undefined
  const opened = await openSession(t, { route: { websocket: { closeTimeout: 200, messages, onSession: found => { session = found }, ...websocket } } })
  return { ...opened, session: session! }
}

async function reached (condition: () => boolean): Promise<void> {
  while (!condition()) await pause(2)
}

t.test('a message of very many short fragments is not copied over and over again', t => {
  const scanner = new FrameScanner({ masked: true, allowedRsv: 0 })
  const { allocUnsafe } = Buffer
  let allocated = 0
  t.teardown(() => { Buffer.allocUnsafe = allocUnsafe })
  Buffer.allocUnsafe = size => { allocated += size; return allocUnsafe(size) }
  const fragment = masked(0x00, 'x')
  let message: GatheredMessage | undefined
  for (let index = 0; index < 50_000; index++) {
    const bytes = index === 0 ? masked(0x01, 'x') : fragment
    scanner.scan(bytes, 'frame')
    message ??= new GatheredMessage(scanner, true)
    message.add(bytes, true, scanner)
  }
  t.equal(message!.message.payload.toString(), 'x'.repeat(50_000))
  t.equal(message!.size, 350_000)
  t.ok(allocated < 4 * 350_000, `${allocated} bytes were allocated`)
  t.end()
})

t.test('a queue that is never empty does not keep what it has sent', t => {
  const queue = new SendQueue()
  const sent: Array<WeakRef<Buffer>> = []
  let waiting = { frames: undefined as readonly Buffer[] | undefined, size: 100 }
  queue.add(waiting)
  for (let index = 0; index < 1000; index++) {
    const bytes = Buffer.alloc(100)
    sent.push(new WeakRef(bytes))
    const next = { frames: undefined, size: 100 }
    queue.add(next)
    queue.settle(waiting, [bytes])
    t.equal(queue.take(), waiting)
    waiting = next
  }
  t.equal(queue.length, 1)
  t.equal(queue.bytes, 100)
  t.equal(queue.pending, 1)
  setImmediate(() => {
    collectGarbage()
    t.ok(sent.filter(reference => reference.deref() !== undefined).length < 5)
    t.end()
  })
})

t.test('a flood of pings behind a message whose hook takes time, or within one of empty fragments, is no flood of objects', async t => {
  let settle: (() => void) | undefined
  const count = 150_000
  for (const [name, first, flood] of [
    ['pings', masked(0x81, 'slow'), masked(0x89, '')],
    ['empty fragments', Buffer.concat([masked(0x81, 'slow'), masked(0x01, '')]), masked(0x00, '')]
  ] as const) {
    const { client, server, session } = await open(t, { timeout: 60_000, fromClient: () => new Promise(resolve => { settle = () => resolve(undefined) }) })
    const bytes = Buffer.concat(Array<Buffer>(count).fill(flood))
    const before = memoryInUse().heapUsed
    client.write(first)
    client.write(bytes)
    await reached(() => session.fromClient.frames >= count)
    const after = memoryInUse().heapUsed
    t.ok(after - before < 8_000_000, `${name}: ${before} bytes before, ${after} after`)
    settle!()
    t.equal((await server.frame()).payload.toString(), 'slow')
    if (name === 'pings') t.ok((await server.bytes(bytes.length)).equals(bytes))
    client.reset()
    await server.over()
    server.end()
  }
})

t.test('short messages that hooks make long are not taken while the other side does not read', async t => {
  for (const later of [false, true]) {
    let calls = 0
    const { client, server, gateway } = await open(t, {
      maxSize: 100_000,
      fromClient: () => {
        calls++
        const long = 'x'.repeat(100_000)
        return later ? Promise.resolve(long) : long
      }
    })
    server.socket.pause()
    client.write(Buffer.concat(Array.from({ length: 5000 }, () => masked(0x81, 'short'))))
    // It has read all that came at once, and is not read any further.
    await reached(() => gateway.app.gateway.sessions.list()[0]!.fromClient.stalled > 0)
    t.ok(calls < 400, `${calls} of 5000 hooks were called`)
    server.socket.resume()
    for (let index = 0; index < 5000; index++) await server.frame()
    t.equal(calls, 5000, 'and all, once it reads')
    client.reset()
    await server.over()
    server.end()
    await gateway.ended()
  }
})

t.test('strict: false: frames without a mask, of unknown types or with reserved bits do not stop the process', async t => {
  const seen: Array<[boolean, string]> = []
  const { client, server, gateway } = await open(t, { fromClient ({ binary, data }) { seen.push([binary, data.toString()]) }, fromTarget () {} }, { strict: false })
  const bytes = Buffer.concat([
    frame(0x81, 'bare'), frame(0x01, 'ba'), masked(0x80, 're'), masked(0x83, Buffer.from([0xff])), masked(0x80, 'no message'),
    frame(0x89, 'ping'), masked(0x89, 'p'.repeat(50_000)), masked(0x8b, 'unknown'), masked(0xa1, 'rsv2')
  ])
  for (let at = 0; at < bytes.length; at += 1000) client.write(bytes.subarray(at, at + 1000))
  t.ok((await server.bytes(bytes.length)).equals(bytes))
  t.same(seen.map(([binary, text]) => [binary, text.length]), [[false, 4], [false, 4], [true, 1], [true, 10], [false, 4]])
  server.write(masked(0x81, 'masked'))
  t.equal((await client.frame()).payload.toString(), 'masked')
  client.reset()
  await server.over()
  server.end()
  await gateway.ended()
})

t.test('strict: false: a control frame without an end is not kept, and a compressed message that was not agreed on is refused', async t => {
  for (const [bytes, expected] of [
    [Buffer.from([0x89, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5]), '1009 a message that is too long'],
    [masked(0xc1, 'x'), '1002 a compressed message, which was not agreed on']
  ] as const) {
    const { client, server, gateway } = await open(t, { fromClient () {} }, { strict: false })
    client.write(bytes)
    t.equal(await client.close(), expected)
    t.equal(await server.close(), expected.slice(0, 4))
    server.write(frame(0x88, closing(1000))).end()
    client.end()
    await gateway.ended()
  }
})

t.test('no timer of a hook is left when its session is over', async t => {
  const { client, server, gateway } = await open(t, { timeout: 60_000, fromClient: () => new Promise(() => {}) })
  client.write(masked(0x81, 'x'))
  client.reset()
  await server.over()
  server.end()
  await gateway.ended()
  t.equal(resources().timers, 0)
})
