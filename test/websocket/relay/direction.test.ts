import { createHash, randomBytes } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { openSession, startGateway } from '../../helpers/gateway.js'
import { closing, frame, masked, type Teardown } from '../../helpers/wire.js'

const tick = () => new Promise(resolve => setImmediate(resolve))
const hash = (data: Buffer) => createHash('sha1').update(data).digest('hex')

/** Frames of every kind, as one side sends them. */
function everyKind (make: (first: number, payload?: string | Buffer) => Buffer): Buffer {
  return Buffer.concat([
    make(0x81, 'text €'), make(0x82, randomBytes(200)), make(0x81), make(0x89, 'ping'), make(0x8a, 'unasked pong'),
    make(0x01, 'a'), make(0x89), make(0x00, 'b'), make(0x8a, Buffer.alloc(125)), make(0x00), make(0x80, 'c'),
    make(0x82, Buffer.alloc(125)), make(0x82, Buffer.alloc(126)), make(0x82, Buffer.alloc(65535)), make(0x82, Buffer.alloc(65536)),
    // A length may be written longer than need be; that is for the peers to mind.
    make === frame ? Buffer.from([0x82, 126, 0, 1, 7]) : Buffer.from([0x82, 0xfe, 0, 1, 0, 0, 0, 0, 7])
  ])
}

t.test('every kind of frame passes byte for byte, both ways at once', async t => {
  const { client, server } = await openSession(t)
  const up = everyKind(masked)
  const down = everyKind(frame)
  client.write(up)
  server.write(down)
  t.ok((await server.bytes(up.length)).equals(up))
  t.ok((await client.bytes(down.length)).equals(down))
  t.equal(server.length + client.length, 0, 'and nothing is added, such as a second pong')
})

t.test('a byte at a time, both ways', async t => {
  const { client, server, gateway } = await openSession(t)
  const up = Buffer.concat([masked(0x81, 'héllo'), masked(0x02, Buffer.alloc(130, 1)), masked(0x89, 'p'), masked(0x80), masked(0x88, closing(4000, 'bye'))])
  const down = Buffer.concat([frame(0x81, 'héllo'), frame(0x02, Buffer.alloc(130, 1)), frame(0x89, 'p'), frame(0x80), frame(0x88, closing(4000, 'bye'))])
  for (let index = 0; index < Math.max(up.length, down.length); index++) {
    client.write(up.subarray(index, index + 1))
    server.write(down.subarray(index, index + 1))
    await tick()
  }
  t.ok((await server.bytes(up.length)).equals(up))
  t.ok((await client.bytes(down.length)).equals(down))
  server.end()
  client.end()
  await gateway.ended()
  t.match(gateway.ends[0], { fromClient: { frames: 5, messages: 2, bytes: up.length }, fromTarget: { frames: 5, messages: 2, bytes: down.length } })
})

t.test('a header split at each position', async t => {
  const { client, server } = await openSession(t)
  for (const size of [5, 300, 70_000]) {
    const up = masked(0x82, Buffer.alloc(size, 9))
    const down = frame(0x82, Buffer.alloc(size, 9))
    for (let cut = 1; cut <= 14; cut++) {
      client.write(up.subarray(0, cut))
      server.write(down.subarray(0, cut))
      // The first part has arrived when another connection has been served.
      for (let turn = 0; turn < 3; turn++) await tick()
      client.write(up.subarray(cut))
      server.write(down.subarray(cut))
      if (!(await server.bytes(up.length)).equals(up) || !(await client.bytes(down.length)).equals(down)) t.fail(`${size} bytes, cut at ${cut}`)
    }
  }
})

/** A session between two peers of ws. */
async function peers (t: Teardown, options: { perMessageDeflate?: boolean, noServerDeflate?: boolean } = {}): Promise<{ client: WebSocket, target: WebSocket }> {
  const servers = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: options.perMessageDeflate === true && options.noServerDeflate !== true })
  t.teardown(() => new Promise(resolve => servers.close(resolve)))
  await once(servers, 'listening')
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${(servers.address() as { port: number }).port}`] })
  const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws`, { perMessageDeflate: options.perMessageDeflate === true })
  t.teardown(() => { client.terminate() })
  const [[target]] = await Promise.all([once(servers, 'connection') as Promise<[WebSocket]>, once(client, 'open')])
  t.teardown(() => { target.terminate() })
  return { client, target }
}

t.test('permessage-deflate is negotiated end to end', async t => {
  const { client, target } = await peers(t, { perMessageDeflate: true })
  t.match(client.extensions, 'permessage-deflate')
  t.match(target.extensions, 'permessage-deflate')
  for (const [from, to] of [[client, target], [target, client]] as const) {
    const text = 'compress me '.repeat(10_000)
    from.send(text)
    const [data] = await once(to, 'message') as [Buffer]
    t.ok(data.toString() === text)
  }
})

t.test('permessage-deflate that the target does not want is not used', async t => {
  const { client, target } = await peers(t, { perMessageDeflate: true, noServerDeflate: true })
  t.equal(client.extensions, '')
  client.send('plain '.repeat(1000))
  const [data] = await once(target, 'message') as [Buffer]
  t.equal(data.length, 6000)
})

t.test('a ping is answered by the other end, once', async t => {
  const { client, target } = await peers(t)
  for (const [from, to] of [[client, target], [target, client]] as const) {
    let pongs = 0
    from.on('pong', data => { if (data.toString() === 'x') pongs++ })
    from.ping('x')
    from.send('behind it')
    const [data] = await once(to, 'message') as [Buffer]
    to.send(data)
    await once(from, 'message')
    t.equal(pongs, 1)
  }
})

t.test('messages of 1 and 20 MiB, both ways', async t => {
  const { client, target } = await peers(t)
  for (const size of [1 << 20, 20 << 20]) {
    const message = randomBytes(size)
    const expected = hash(message)
    const arrivals = Promise.all([once(client, 'message'), once(target, 'message')]) as Promise<Array<[Buffer]>>
    client.send(message)
    target.send(message)
    for (const [data] of await arrivals) t.equal(hash(data), expected)
  }
})

for (const way of ['up', 'down'] as const) {
  t.test(`a reader that stops holds the ${way === 'up' ? 'client' : 'target'} back, and gets everything later`, async t => {
    /** The gateway's own sockets. */
    const sockets: Socket[] = []
    const clients = channel('net.client.socket')
    const servers = channel('net.server.socket')
    const keep = (message: unknown) => { sockets.push((message as { socket: Socket }).socket) }
    clients.subscribe(keep)
    servers.subscribe(keep)
    const { client, server, gateway } = await openSession(t)
    t.equal(sockets.length, 4, 'two connections have two ends each')
    clients.unsubscribe(keep)
    servers.unsubscribe(keep)
    const [sender, reader] = way === 'up' ? [client, server] : [server, client]

    const make = way === 'up' ? masked : frame
    const message = randomBytes(1 << 20)
    const frames = Array.from({ length: 64 }, () => make(0x82, message))
    const total = frames.reduce((sum, { length }) => sum + length, 0)
    const expected = hash(Buffer.concat(frames))
    reader.socket.pause()
    for (const bytes of frames) sender.write(bytes)

    const accepted = await standstill(sender.socket)
    t.ok(accepted < total / 2, `${accepted} of ${total} bytes were taken, by the kernel for the most part`)
    for (const socket of sockets.filter(socket => socket !== sender.socket)) {
      t.ok(socket.writableLength + socket.readableLength < 256 * 1024, `${socket.writableLength} + ${socket.readableLength} bytes are held in the process`)
    }

    const hashed = createHash('sha1')
    let received = 0
    reader.socket.removeAllListeners('data')
    await new Promise<void>(resolve => {
      reader.socket.on('data', chunk => {
        hashed.update(chunk)
        received += chunk.length
        if (received === total) resolve()
      })
      reader.socket.resume()
    })
    t.equal(hashed.digest('hex'), expected)
    client.reset()
    server.reset()
    await gateway.ended()
    t.equal(gateway.ends[0]![way === 'up' ? 'fromClient' : 'fromTarget'].messages, 64)
  })
}

/** How much of what was written has left the process when no more leaves it. */
async function standstill (socket: Socket): Promise<number> {
  for (let before = -1, quiet = 0; ;) {
    const now = socket.bytesWritten - socket.writableLength
    quiet = now === before ? quiet + 1 : 0
    if (quiet === 10) return now
    before = now
    await new Promise(resolve => setTimeout(resolve, 15))
  }
}

t.test('one way is held back, the other flows', async t => {
  const { client, server } = await openSession(t)
  client.socket.pause()
  server.write(Buffer.concat(Array.from({ length: 32 }, () => frame(0x82, Buffer.alloc(1 << 20)))))
  await standstill(server.socket)
  client.write(masked(0x81, 'still here'))
  t.equal((await server.frame()).payload.toString(), 'still here')
})

t.test('no frame waits for another (TCP_NODELAY)', async t => {
  const { client, server } = await openSession(t)
  const started = performance.now()
  for (let turn = 0; turn < 50; turn++) {
    client.write(masked(0x81, 'a')).write(masked(0x81, 'b'))
    await server.frame()
    await server.frame()
  }
  // With Nagle's algorithm and delayed acknowledgements, each turn takes 40 ms.
  t.ok(performance.now() - started < 1000)
})

t.test('two hundred sessions at once do not mix', async t => {
  const first = await openSession(t)
  const sessions = [first]
  for (let count = 1; count < 200; count++) sessions.push(await openSession(t, { on: first }))
  for (const [index, { client, server }] of sessions.entries()) {
    client.write(masked(0x81, `up ${index}`))
    server.write(frame(0x81, `down ${index}`))
  }
  const wrong: number[] = []
  for (const [index, { client, server }] of sessions.entries()) {
    if ((await server.frame()).payload.toString() !== `up ${index}` || (await client.frame()).payload.toString() !== `down ${index}`) wrong.push(index)
  }
  t.same(wrong, [])
  t.equal(first.gateway.app.gateway.sessions.size, 200)
  for (const { client, server } of sessions) {
    client.reset()
    server.reset()
  }
  await first.gateway.ended(200)
  t.equal(first.gateway.app.gateway.sessions.size, 0)
})
