import { once } from 'node:events'
import { createServer as createSecureServer } from 'node:https'
import { createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import type { HashOptions } from '../../src/options/index.js'
import type { WebSocketSession } from '../../src/index.js'
import { listen } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway, openSession, type OpenSession } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { QUICK, accept, open } from '../helpers/reconnect.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'
import { Wire, closing, frame, masked, valuesOf, type Head } from '../helpers/wire.js'

/* What targets may do to a session that is reconnected, and what operators may do to targets meanwhile. */

/** The session is over, and nothing is left of it. */
async function over (t: Test, { gateway, client }: OpenSession, ...servers: Wire[]): Promise<void> {
  client.reset()
  for (const server of servers) {
    await server.over()
    server.end()
  }
  await gateway.ended()
  t.same(gateway.app.gateway.upstreams.get('main')!.load, { requests: 0, handshakes: 0, sessions: 0, retries: 0, waiting: 0 })
}

/** A message from the client, and one back. */
async function talk (t: Test, client: Wire, server: Wire): Promise<void> {
  client.write(masked(0x81, 'hello'))
  let got = await server.frame()
  while (got.opcode > 2) got = await server.frame()
  t.equal(got.payload.toString(), 'hello')
  server.write(frame(0x81, 'world'))
  t.equal((await client.frame()).payload.toString(), 'world')
}

t.test('a target that accepts and at once closes, again and again, is not asked for ever', { timeout: 10_000 }, async t => {
  const session = await open(t, { attempts: 4, delay: 20, maxDelay: 10_000, jitter: 0 })
  const { client, server, target, gateway } = session
  const begun = performance.now()
  const close = frame(0x88, closing(1012))
  server.write(close)
  server.end()
  let accepted = 0
  const serve = async (): Promise<void> => {
    while (accepted < 20) {
      const { server } = await accept(target)
      accepted++
      server.write(close)
      await server.over()
      server.end()
    }
  }
  serve().catch(() => {})
  t.equal(await client.close(), '1012')
  t.equal(accepted, 4)
  t.ok(performance.now() - begun >= 300, 'the delays grow: 20, 40, 80 and 160 ms')
  client.write(masked(0x88, closing(1012))).end()
  await gateway.ended()
  t.match(gateway.ends[0], { by: 'target', reason: 'close', code: 1012, reconnects: 4 })
})

t.test('a delay function that fails ends the session as without reconnect, and is named in the log', async t => {
  const functions: Record<string, () => unknown> = {
    'no idea': () => { throw new Error('no idea') },
    NaN: () => NaN,
    undefined: () => undefined,
    '-1': () => -1,
    '"5"': () => '5'
  }
  for (const [got, delay] of Object.entries(functions)) {
    let calls = 0
    const session = await open(t, { attempts: 1_000_000, delay: () => { calls++; return delay() as number } })
    const { client, server, gateway } = session
    server.write(frame(0x88, closing(1012))).end()
    t.equal(await client.close(), '1012')
    client.write(masked(0x88, closing(1012))).end()
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'target', reason: 'close', code: 1012, reconnects: 0 })
    t.equal(calls, 1)
    const { err } = gateway.log.find(({ msg }) => msg === 'websocket session could not be reconnected') as { err: { message: string, stack: string } }
    t.match(err.message, 'reconnect.delay')
    t.ok(err.stack.includes(got), got)
    await gateway.app.close()
  }
})

t.test('a connection that has lasted as long as maxDelay has the attempts begin anew', async t => {
  const attempts: number[] = []
  const session = await open(t, { attempts: 2, maxDelay: 50, onReconnect: (_, attempt) => { attempts.push(attempt) } })
  let { server } = session
  for (let count = 0; count < 4; count++) {
    await pause(60)
    server.reset()
    ;({ server } = await accept(session.target))
    await talk(t, session.client, server)
  }
  t.same(attempts, [1, 1, 1, 1])
  await over(t, session, server)
})

t.test('a session that is moved by an operator does not run out of attempts', async t => {
  const [first, second] = [await rawTarget(t), await rawTarget(t)]
  const gateway = await startGateway(t, { targets: [first.url, second.url], route: { websocket: { closeTimeout: 200, reconnect: { ...QUICK, attempts: 1, maxDelay: 60_000 } } } })
  const session = await open(t, {}, {}, { on: { gateway, target: first } })
  const upstream = gateway.app.gateway.upstreams.get('main')!
  let { server } = session
  for (const [from, to] of [[first, second], [second, first], [first, second]] as const) {
    upstream.setTarget(to.url, { state: 'ready' })
    upstream.setTarget(from.url, { state: 'drain' })
    t.equal(await server.close(), '1012')
    server.write(frame(0x88, closing(1012))).end()
    ;({ server } = await accept(to))
    await talk(t, session.client, server)
  }
  await over(t, session, server)
})

t.test('a session does not wait for the place that it has itself: its target was busy, or silent', { timeout: 10_000 }, async t => {
  for (const isSilent of [false, true]) {
    const session = await open(t, {}, { handshakeTimeout: 100 }, { upstream: { maxSessions: 1, queueTimeout: 60_000 } })
    session.server.reset()
    const busy = await session.target.next()
    await busy.head()
    if (!isSilent) busy.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')
    const { server } = await accept(session.target)
    busy.end()
    await talk(t, session.client, server)
    await over(t, session, server)
  }
})

t.test('the place of a session that finds no target is given to whoever waits for it', { timeout: 10_000 }, async t => {
  const session = await open(t, {}, {}, { upstream: { maxSessions: 1, queueTimeout: 60_000 } })
  const { client, server, target, gateway } = session
  server.reset()
  const again = await target.next()
  await again.head()
  const waiting = await Wire.connect(t, gateway.port)
  waiting.write(handshake())
  while (gateway.app.gateway.upstreams.get('main')!.load.waiting === 0) await pause(1)
  again.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
  const next = await accept(target)
  t.match((await waiting.head()).start, / 101 /)
  again.end()
  await client.over()
  client.end()
  waiting.reset()
  await next.server.over()
  next.server.end()
  await gateway.ended(2)
  t.match(gateway.app.gateway.upstreams.get('main')!.load, { sessions: 0, waiting: 0 })
})

t.test('a target that accepts a connection and never responds, or responds with half a head, takes handshakeTimeout', async t => {
  for (const bytes of ['', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n']) {
    const session = await open(t, {}, { handshakeTimeout: 100 })
    session.server.reset()
    const silent = await session.target.next()
    await silent.head()
    silent.write(bytes)
    await silent.over()
    silent.end()
    const { server } = await accept(session.target)
    await talk(t, session.client, server)
    await over(t, session, server)
  }
})

t.test('a target that sends its first frames with its 101', async t => {
  const session = await open(t)
  session.server.reset()
  const server = await session.target.next()
  server.write(goodResponse(await server.head()) + frame(0x81, 'at once').toString('latin1') + frame(0x81, 'again').toString('latin1'))
  t.equal((await session.client.frame()).payload.toString(), 'at once')
  t.equal((await session.client.frame()).payload.toString(), 'again')
  await over(t, session, server)
})

t.test('a target that breaks the protocol ends the session, as it would without reconnect', async t => {
  for (const isFirst of [true, false]) {
    const session = await open(t)
    const { client, gateway, target } = session
    let { server } = session
    if (!isFirst) {
      server.reset()
      ;({ server } = await accept(target))
    }
    server.write(frame(0xf1, 'garbage'))
    t.match(await client.close(), /^1002/)
    client.write(masked(0x88, closing(1002))).end()
    t.match(await server.close(), /^1002/)
    server.end()
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'target', reason: 'protocol-error', code: 1002, reconnects: isFirst ? 0 : 1 })
  }
})

t.test('a target that is lost, or closes, while onReconnect is under way', async t => {
  for (const way of ['reset', 'close'] as const) {
    let calls = 0
    const session = await open(t, { async onReconnect (session) { if (++calls === 1) await new Promise(() => {}); else session.send('target', 'first') } })
    session.server.reset()
    const { server } = await accept(session.target)
    while (session.gateway.app.gateway.sessions.list()[0]!.reconnects === 0) await pause(1)
    session.client.write(masked(0x81, 'kept'))
    if (way === 'reset') {
      server.reset()
    } else {
      server.write(frame(0x88, closing(1012)))
      t.equal(await server.close(), '1012')
      server.end()
    }
    const next = await accept(session.target)
    t.equal((await next.server.frame()).payload.toString(), 'first')
    t.equal((await next.server.frame()).payload.toString(), 'kept')
    await over(t, session, next.server)
    t.equal(calls, 2)
  }
})

t.test('onReconnect that throws, rejects or takes longer than handshakeTimeout has the next attempt made', async t => {
  const ways: Record<string, () => Promise<void>> = {
    throws: () => { throw new Error('no') },
    rejects: async () => { throw new Error('no') },
    late: async () => await new Promise(() => {})
  }
  for (const [name, way] of Object.entries(ways)) {
    let calls = 0
    const session = await open(t, { onReconnect: () => ++calls === 1 ? way() : undefined }, { handshakeTimeout: 200 })
    session.client.write(masked(0x81, 'before'))
    t.equal((await session.server.frame()).payload.toString(), 'before')
    session.server.reset()
    const { server } = await accept(session.target)
    t.equal(await server.close(), '1001', name)
    server.end()
    const next = await accept(session.target)
    await talk(t, session.client, next.server)
    t.match(session.gateway.log.find(({ msg }) => msg === 'onReconnect failed, and so the connection to the target is given up'), { level: 50, route: '/*' })
    await over(t, session, next.server)
  }
})

t.test('onReconnect that fails each time ends the session after as many attempts as it has', async t => {
  const session = await open(t, { attempts: 3, maxDelay: 1000, onReconnect: () => { throw new Error('no') } })
  session.server.reset()
  for (let count = 0; count < 3; count++) {
    const { server } = await accept(session.target)
    t.equal(await server.close(), '1001')
    server.end()
  }
  await session.client.over()
  session.client.end()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { by: 'target', reason: 'lost', code: 1006 })
})

t.test('a target is taken out while the session is on its way there', async t => {
  const [first, second] = [await rawTarget(t), await rawTarget(t)]
  const gateway = await startGateway(t, { targets: [first.url], route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
  for (const state of ['dialling', 'opening'] as const) {
    gateway.app.gateway.upstreams.get('main')!.setTargets([first.url])
    const session = await open(t, {}, {}, { on: { gateway, target: first } })
    session.server.reset()
    const server = await first.next()
    const request = await server.head()
    gateway.app.gateway.upstreams.get('main')!.setTargets([second.url])
    server.write(goodResponse(request))
    const next = await accept(second)
    await talk(t, session.client, next.server)
    session.client.reset()
    server.end()
    await next.server.over()
    next.server.end()
    await gateway.ended(state === 'dialling' ? 1 : 2)
  }
})

t.test('a target is taken out, or drained, while onReconnect is under way there', async t => {
  const [first, second] = [await rawTarget(t), await rawTarget(t)]
  const onReconnect = async (session: WebSocketSession): Promise<void> => {
    if (session.target === first.url) await new Promise(() => {})
  }
  const gateway = await startGateway(t, { targets: [first.url, { url: second.url, priority: 1 }], route: { websocket: { closeTimeout: 200, reconnect: { ...QUICK, onReconnect } } } })
  const session = await open(t, {}, {}, { on: { gateway, target: first } })
  session.server.reset()
  const { server } = await accept(first)
  while (gateway.app.gateway.sessions.list()[0]!.reconnects === 0) await pause(1)
  gateway.app.gateway.upstreams.get('main')!.setTarget(first.url, { state: 'drain' })
  t.equal(await server.close(), '1012')
  server.end()
  const next = await accept(second)
  await talk(t, session.client, next.server)
  await over(t, session, next.server)
})

t.test('a target that takes its time with a long message has its say before it is left, and one that never ends it does not hold the session', async t => {
  for (const ends of [true, false]) {
    const [first, second] = [await rawTarget(t), await rawTarget(t)]
    const gateway = await startGateway(t, { targets: [first.url, { url: second.url, priority: 1 }], route: { websocket: { closeTimeout: 200, reconnect: { ...QUICK, bufferSize: 1000 } } } })
    const session = await open(t, {}, {}, { on: { gateway, target: first } })
    const { client, server } = session
    server.write(frame(0x02, Buffer.alloc(5_000)))
    t.equal((await client.frame()).payload.length, 5_000)
    gateway.app.gateway.upstreams.get('main')!.setTarget(first.url, { state: 'drain' })
    t.equal(await server.close(), '1012')
    if (!ends) {
      await client.over()
      client.end()
      server.end()
      await gateway.ended()
      t.match(gateway.ends[0], { by: 'gateway', reason: 'rebalance' })
      continue
    }
    for (let count = 0; count < 5; count++) {
      await pause(100)
      server.write(frame(0x00, 'more'))
      t.equal((await client.frame()).payload.toString(), 'more')
    }
    server.write(Buffer.concat([frame(0x80, 'end'), frame(0x88, closing(1012))])).end()
    t.equal((await client.frame()).payload.toString(), 'end')
    const next = await accept(second)
    await talk(t, client, next.server)
    await over(t, session, next.server)
  }
})

t.test('a Close within a message that is relayed as it comes reaches the other side', async t => {
  for (const from of ['client', 'target'] as const) {
    const session = await open(t, { bufferSize: 1000 })
    const { client, server, gateway } = session
    const [near, far, make] = from === 'client' ? [client, server, masked] as const : [server, client, frame] as const
    near.write(make(0x02, Buffer.alloc(5_000)))
    t.equal((await far.frame()).payload.length, 5_000)
    gateway.app.gateway.sessions.list()[0]!.send(from === 'client' ? 'target' : 'client', 'waits for its end')
    near.write(make(0x88, closing(1012, 'bye')))
    t.equal(await far.close(), '1012 bye')
    far.write((from === 'client' ? frame : masked)(0x88, closing(1012)))
    t.equal(await near.close(), '1012')
    client.end()
    server.end()
    await gateway.ended()
    t.match(gateway.ends[0], { by: from, reason: 'close', code: 1012 })
  }
})

t.test('a sticky client goes back to its target, also when its cookie is from this handshake; one that is drained keeps its own', async t => {
  const [first, second] = [await rawTarget(t), await rawTarget(t)]
  const gateway = await startGateway(t, { targets: [first.url, second.url], upstream: { sticky: true, balance: 'round-robin' }, route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
  let cookie: string | undefined
  for (let count = 0; count < 2; count++) {
    const session = await open(t, {}, {}, { on: { gateway, target: first }, ...cookie !== undefined && { headers: { Cookie: cookie } } })
    const { client } = session
    cookie ??= valuesOf(session.answer, 'set-cookie')[0]!.split(';')[0]!
    let { server } = session
    for (let loss = 0; loss < 3; loss++) {
      server.reset()
      ;({ server } = await accept(first))
      await talk(t, client, server)
    }
    gateway.app.gateway.upstreams.get('main')!.setTarget(first.url, { state: 'drain' })
    await talk(t, client, server)
    gateway.app.gateway.upstreams.get('main')!.setTarget(first.url, { state: 'maintenance' })
    t.equal(await server.close(), '1012')
    server.write(frame(0x88, closing(1012))).end()
    ;({ server } = await accept(second))
    await talk(t, client, server)
    gateway.app.gateway.upstreams.get('main')!.setTarget(first.url, { state: 'ready' })
    server.reset()
    ;({ server } = await accept(first))
    await talk(t, client, server)
    client.reset()
    await server.over()
    server.end()
    await gateway.ended(count + 1)
  }
})

t.test('a target that is chosen by hash is that of the same key again, whether code or an option reads it', async t => {
  const hashes: HashOptions['hash'][] = [{ header: 'x-key' }, ({ headers }) => headers['x-key'] as string]
  for (const hash of hashes) {
    const targets = [await rawTarget(t), await rawTarget(t), await rawTarget(t)]
    const gateway = await startGateway(t, { targets: targets.map(({ url }) => url), upstream: { balance: { hash } }, route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake({ headers: { 'X-Key': 'some key' } }))
    let server = await Promise.race(targets.map(target => target.next()))
    server.write(goodResponse(await server.head()))
    await client.head()
    const [live] = gateway.app.gateway.sessions.list()
    const { target } = live!
    const home = targets.find(({ url }) => url === target)!
    for (let loss = 0; loss < 3; loss++) {
      server.reset()
      ;({ server } = await accept(home))
      await talk(t, client, server)
    }
    t.equal(live!.target, target)
    client.reset()
    await server.over()
    server.end()
    await gateway.ended()
  }
})

t.test('attempts that fail count for the health of the target', async t => {
  const [first, second] = [await rawTarget(t), await rawTarget(t)]
  const gateway = await startGateway(t, {
    targets: [first.url, { url: second.url, priority: 1 }],
    upstream: { passiveHealth: { failures: 2 } },
    route: { websocket: { closeTimeout: 200, reconnect: QUICK } }
  })
  const sessions = [await open(t, {}, {}, { on: { gateway, target: first } }), await open(t, {}, {}, { on: { gateway, target: first } })]
  first.server.close()
  for (const { server } of sessions) server.reset()
  const servers = [await accept(second), await accept(second)].map(({ server }) => server)
  t.match(gateway.app.gateway.upstreams.get('main')!.targets, [{ health: 'ejected', failures: 2, sessions: 0 }, { health: 'healthy', sessions: 2 }])
  for (const { client } of sessions) client.reset()
  for (const server of servers) {
    await server.over()
    server.end()
  }
  await gateway.ended(2)
  t.match(gateway.app.gateway.upstreams.get('main')!.load, { handshakes: 0, sessions: 0, retries: 0 })
})

t.test('a route that is not strict, and a client without a key', async t => {
  const session = await openSession(t, { route: { websocket: { strict: false, closeTimeout: 200, reconnect: QUICK } } })
  session.server.reset()
  const { server } = await accept(session.target)
  await talk(t, session.client, server)
  const client = await Wire.connect(t, session.gateway.port)
  client.write('GET / HTTP/1.1\r\nHost: example\r\nX-First: 1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const plain = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
  const before = await session.target.next()
  const headers = ({ headers }: Head) => headers
  const asked = headers(await before.head())
  before.write(plain)
  await client.head()
  before.reset()
  const after = await session.target.next()
  t.same(headers(await after.head()), asked)
  after.write(plain)
  await talk(t, client, after)
  client.reset()
  await after.over()
  after.end()
  await session.gateway.ended()
  session.client.reset()
  await server.over()
  server.end()
  await session.gateway.ended(2)
})

t.test('Host is that of the target which the session goes to, but where the route sets another', async t => {
  for (const own of [undefined, 'own.example']) {
    const [first, second] = [await rawTarget(t), await rawTarget(t)]
    const gateway = await startGateway(t, {
      targets: [first.url, { url: second.url, priority: 1 }],
      route: { host: 'target', ...own !== undefined && { headers: { request: { host: own } } }, websocket: { closeTimeout: 200, reconnect: QUICK } }
    })
    const session = await open(t, {}, {}, { on: { gateway, target: first } })
    t.equal(valuesOf(session.request, 'host')[0], own ?? new URL(first.url).host)
    first.server.close()
    session.server.reset()
    const { server, request } = await accept(second)
    t.equal(valuesOf(request, 'host')[0], own ?? new URL(second.url).host)
    await over(t, session, server)
  }
})

t.test('a second target that keeps context takeover ends the session; one that offers the same goes on', async t => {
  const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }
  const same = 'Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover'
  const session = await open(t, {}, {}, { headers, answer: [same] })
  session.server.reset()
  // The order of the parameters, and one that a client promises in any case, make no difference.
  const { server } = await accept(session.target, ['Sec-WebSocket-Extensions: permessage-deflate;server_no_context_takeover'])
  await talk(t, session.client, server)
  server.reset()
  const next = await session.target.next()
  next.write(goodResponse(await next.head(), ['Sec-WebSocket-Extensions: permessage-deflate']))
  // It is no response to the offer, and so another attempt follows.
  await next.over()
  next.end()
  const last = await accept(session.target, [same + '; server_max_window_bits=10'])
  await session.client.over()
  session.client.end()
  last.server.end()
  await session.gateway.ended()
  t.match(session.gateway.ends[0], { by: 'target', reason: 'lost', reconnects: 1 })
})

t.test('Unix sockets', async t => {
  const path = join(tmpdir(), `sluice-reconnect-${process.pid}.sock`)
  const arrived: Array<(socket: Socket) => void> = []
  const server = createServer({ allowHalfOpen: true }, socket => arrived.shift()!(socket))
  await once(server.listen(path), 'listening')
  t.teardown(() => server.close())
  const next = async (): Promise<Wire> => new Wire(t, await new Promise<Socket>(resolve => arrived.push(resolve)))
  const gateway = await startGateway(t, { targets: [`unix:${path}`], route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
  const client = await Wire.connect(t, gateway.port)
  const first = next()
  client.write(handshake())
  const wire = await first
  wire.write(goodResponse(await wire.head()))
  await client.head()
  const second = next()
  wire.socket.destroy()
  const again = await second
  again.write(goodResponse(await again.head()))
  await talk(t, client, again)
  client.reset()
  await again.over()
  again.end()
  await gateway.ended()
})

t.test('TLS, with messages that are compressed', async t => {
  const { key, cert } = await selfSigned(t)
  const secure = createSecureServer({ key, cert })
  const { port } = await listen(t, secure as never)
  const sockets = new WebSocketServer({ server: secure, perMessageDeflate: { threshold: 0 } })
  const extensions: string[] = []
  sockets.on('connection', (socket, request) => {
    extensions.push(request.headers['sec-websocket-extensions']!)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  const gateway = await startGateway(t, { targets: [`https://127.0.0.1:${port}`], upstream: { tls: { rejectUnauthorized: false } }, route: { websocket: { closeTimeout: 200, reconnect: QUICK } } })
  const socket = await openSocket(`http://127.0.0.1:${gateway.port}`, [], { perMessageDeflate: { threshold: 0 } })
  for (let loss = 0; loss < 3; loss++) {
    for (const text of ['the same text again', 'the same text again', 'x'.repeat(100_000)]) {
      const echo = nextMessage(socket)
      socket.send(text)
      t.equal((await echo).length, text.length)
    }
    const reconnected = new Promise<void>(resolve => gateway.app.gateway.observe({ onReconnect: () => resolve() }))
    for (const session of sockets.clients) session.terminate()
    await reconnected
  }
  t.same([...new Set(extensions)], ['permessage-deflate; client_max_window_bits; server_no_context_takeover; client_no_context_takeover'])
  const over = closed(socket)
  socket.close()
  await over
})

t.test('all targets are gone for a while, as a discovery may find', async t => {
  const target = await rawTarget(t)
  const lists = new PassThrough({ objectMode: true })
  lists.write([target.url])
  const gateway = await startGateway(t, { targets: lists as AsyncIterable<string[]>, route: { websocket: { closeTimeout: 200, reconnect: { ...QUICK, attempts: 1000 } } } })
  const session = await open(t, {}, {}, { on: { gateway, target } })
  lists.write([])
  t.equal(await session.server.close(), '1012')
  session.server.write(frame(0x88, closing(1012))).end()
  while (gateway.app.gateway.upstreams.get('main')!.load.sessions > 0) await pause(1)
  await pause(50)
  lists.write([target.url])
  const { server } = await accept(target)
  await talk(t, session.client, server)
  await over(t, session, server)
})
