import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { checkEnd, openSession, resources, startGateway } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { blackHole, goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, closing, frame, masked, valuesOf } from '../helpers/wire.js'

const PATIENT = { route: { websocket: { closeTimeout: 60_000 } } }

t.test('app.close() tells 1012 to every client and every target', async t => {
  const first = await openSession(t, PATIENT)
  const all = [first]
  while (all.length < 20) all.push(await openSession(t, { on: first }))
  const closed = first.gateway.app.close()
  await Promise.all(all.map(async ({ client, server }) => {
    t.equal(await client.close(), '1012')
    t.equal(await server.close(), '1012')
    client.write(masked(0x88, closing(1012)))
    server.write(frame(0x88, closing(1012))).end()
    t.equal(await client.rest(), '', "the target's response is not a second Close")
    t.equal(await server.rest(), '', "nor is the client's")
    client.end()
  }))
  await closed
  t.equal(first.gateway.ends.length, 20)
  for (const end of first.gateway.ends) t.match(end, { by: 'gateway', reason: 'drain', code: 1012, closeSent: { client: 1012, target: 1012 } })
})

t.test('a message that is on its way is finished first', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server, gateway } = session
  const up = Buffer.concat([masked(0x02, Buffer.alloc(3000, 1)), masked(0x89, 'p'), masked(0x80, Buffer.alloc(3000, 2))])
  const down = frame(0x82, Buffer.alloc(200_000, 3))
  client.write(up.subarray(0, 1500))
  server.write(down.subarray(0, 1500))
  await server.has(1500)
  await client.has(1500)
  const closed = gateway.app.close()
  // More than the message: what comes behind it is not sent on.
  client.write(Buffer.concat([up.subarray(1500), masked(0x81, 'too late')]))
  server.write(Buffer.concat([down.subarray(1500), frame(0x81, 'too late')]))
  t.ok((await server.bytes(up.length)).equals(up))
  t.ok((await client.bytes(down.length)).equals(down))
  t.equal(await server.close(), '1012')
  t.equal(await client.close(), '1012')
  client.write(masked(0x88, closing(1012)))
  server.write(frame(0x88, closing(1012))).end()
  await client.over()
  client.end()
  await closed
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', fromClient: { messages: 2 }, fromTarget: { messages: 2 } })
})

t.test('the beginning of a header is not a message on its way', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server, gateway } = session
  client.write(Buffer.concat([masked(0x81, 'a'), masked(0x82, Buffer.alloc(500)).subarray(0, 3)]))
  await server.frame()
  const closed = gateway.app.close()
  t.equal(await server.close(), '1012')
  t.equal(await client.close(), '1012')
  client.write(Buffer.concat([masked(0x82, Buffer.alloc(500)).subarray(3), masked(0x88, closing(1012))]))
  server.end()
  await client.over()
  client.end()
  await closed
  await checkEnd(t, session, { by: 'gateway', reason: 'drain' })
})

/** Peers that make closing hard, with the others behaving well enough. */
const HARD: Record<string, (session: Awaited<ReturnType<typeof openSession>>) => Promise<void>> = {
  'never answers Close (client)': async ({ server }) => { server.close().then(() => { server.write(frame(0x88, closing(1012))).end() }, t.threw) },
  'never answers Close (both)': async () => {},
  'stalls inside a frame (client)': async ({ client, server }) => { client.write(masked(0x82, Buffer.alloc(1000)).subarray(0, 100)); await server.has(100) },
  'stalls inside a frame (target)': async ({ client, server }) => { server.write(frame(0x82, Buffer.alloc(1000)).subarray(0, 100)); await client.has(100) },
  'stalls inside a message (target)': async ({ client, server }) => { server.write(frame(0x02, 'half')); await client.has(6) },
  'never reads (client)': async ({ client, server }) => { client.socket.pause(); for (let count = 0; count < 32; count++) server.write(frame(0x82, Buffer.alloc(1 << 20))) },
  'never reads (target)': async ({ client, server }) => { server.socket.pause(); for (let count = 0; count < 32; count++) client.write(masked(0x82, Buffer.alloc(1 << 20))) },
  'pings without end and never closes (client)': async ({ client }) => { const pings = setInterval(() => { client.write(masked(0x89)) }, 10); client.socket.once('close', () => { clearInterval(pings) }) },
  'ends its half and waits (client)': async ({ client, server }) => { client.end(); await server.over() },
  'has closed already and waits (target)': async ({ client, server }) => { server.write(frame(0x88, closing(1000))); await client.close() }
}

for (const [name, prepare] of Object.entries(HARD)) {
  t.test(`a peer that ${name} is cut after closeTimeout`, async t => {
    const session = await openSession(t, { route: { websocket: { closeTimeout: 100 } } })
    await prepare(session)
    const started = performance.now()
    await session.gateway.app.close()
    const took = performance.now() - started
    t.ok(took < 1500, `closed in ${Math.round(took)} ms`)
    t.equal(session.gateway.ends.length, 1)
    for (const wire of [session.client, session.server]) {
      wire.socket.resume()
      await wire.over()
      wire.socket.destroy()
      await wire.gone()
    }
    t.equal(resources().timers, 0)
  })
}

t.test('drainTimeout bounds it all', async t => {
  const session = await openSession(t, { ...PATIENT, plugin: { drainTimeout: 100 } })
  const started = performance.now()
  await session.gateway.app.close()
  t.ok(performance.now() - started < 1500)
  t.equal(await session.client.close(), '1012')
  t.equal(await session.server.close(), '1012')
  await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1012 })
})

t.test('handshakes during close() get 503', async t => {
  const session = await openSession(t, PATIENT)
  const { client, server, gateway, target } = session
  const dialling = await Wire.connect(t, gateway.port)
  dialling.write(handshake())
  const unanswered = await target.next()
  await unanswered.head()
  const closed = gateway.app.close()
  t.equal(await client.close(), '1012')

  t.match((await dialling.head()).start, / 503 /, 'one that is under way')
  await dialling.over()
  dialling.end()
  await unanswered.over()
  unanswered.end()

  const waiting = await Wire.connect(t, gateway.port)
  waiting.write(handshake())
  const head = await waiting.head()
  t.match(head.start, / 503 /, 'and a new one')
  t.same(valuesOf(head, 'connection').map(value => value.toLowerCase()), ['close'])
  await waiting.over()
  waiting.end()

  client.write(masked(0x88, closing(1012))).end()
  server.write(frame(0x88, closing(1012))).end()
  await closed
  t.equal(target.connections, 2)
})

t.test('close() does not wait for a handshake under way', async t => {
  const target = await rawTarget(t)
  for (const targets of [[target.url], [`http://127.0.0.1:${await blackHole(t)}`]]) {
    const gateway = await startGateway(t, { targets, route: { websocket: { handshakeTimeout: 60_000 } }, upstream: { connectTimeout: 60_000 } })
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    if (targets[0] === target.url) await (await target.next()).head()
    else await new Promise(resolve => setTimeout(resolve, 50))
    const closed = gateway.app.close()
    t.match(await client.rest(), / 503 [^]*SLUICE_DRAINING/)
    client.end()
    await closed
  }
})

t.test('a handshake in a hook when close() begins gets 503, and the target is not dialled', async t => {
  const target = await rawTarget(t)
  let reached!: () => void
  let open!: () => void
  const inHook = new Promise<void>(resolve => { reached = resolve })
  const opened = new Promise<void>(resolve => { open = resolve })
  const setup = (app: FastifyInstance) => { app.addHook('preHandler', async () => { reached(); await opened }) }
  const gateway = await startGateway(t, { targets: [target.url], setup })
  const answer = exchange(t, gateway.port, handshake())
  await inHook
  const closed = gateway.app.close()
  await new Promise(resolve => setImmediate(resolve))
  open()
  t.equal((await answer).status, 503)
  await closed
  t.equal(target.connections, 0)
})

t.test('a session that opens while another closes is not lost', async t => {
  const first = await openSession(t)
  for (let turn = 0; turn < 10; turn++) {
    const client = await Wire.connect(t, first.gateway.port)
    client.write(handshake())
    const server = await first.target.next()
    server.write(goodResponse(await server.head()))
    await client.head()
    t.equal(first.gateway.app.gateway.sessions.size, 2)
    client.reset()
    await server.over()
    server.end()
    await first.gateway.ended(turn + 1)
    t.equal(first.gateway.app.gateway.sessions.size, 1)
  }
})
