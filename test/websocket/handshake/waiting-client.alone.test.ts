import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { openSession, resources, startGateway } from '../../helpers/gateway.js'
import { exchange, handshake } from '../../helpers/raw-client.js'
import { blackHole, goodResponse, rawTarget } from '../../helpers/raw-target.js'
import { Wire, masked } from '../../helpers/wire.js'

const LEAVING = { 'a reset': (client: Wire) => client.reset(), 'a FIN': (client: Wire) => { client.end() } } as const

/** A hook that tells when it is reached, and goes on when it is let. */
function gate () {
  let enter!: () => void
  let open!: () => void
  const reached = new Promise<void>(resolve => { enter = resolve })
  const passed = new Promise<void>(resolve => { open = resolve })
  return { reached, open, hook: async () => { enter(); await passed } }
}

for (const [name, leave] of Object.entries(LEAVING)) {
  for (const stage of ['onRequest', 'preHandler'] as const) {
    t.test(`${name} during an async ${stage} hook`, async t => {
      const target = await rawTarget(t)
      const { reached, open, hook } = gate()
      let first = true
      const setup = (app: FastifyInstance) => { app.addHook(stage as 'onRequest', async () => { if (first) await hook() }) }
      const gateway = await startGateway(t, { targets: [target.url], setup })
      const client = await Wire.connect(t, gateway.port)
      client.write(handshake())
      await reached
      leave(client)
      if (name === 'a reset') await client.gone()
      open()
      await gateway.idle()
      await client.over()
      // Seen only when the socket is read from; by then the target may have been dialled.
      for (let wire = 0; wire < target.connections; wire++) await (await target.next()).over()
      first = false
      t.match((await openSession(t, { on: { gateway, target } })).answer.start, / 101 /, 'the next one is served')
      t.equal(gateway.ends.length, 0)
    })
  }

  t.test(`${name} while the target is dialled`, async t => {
    const { reached, open, hook } = gate()
    open()
    const upstream = async () => { await hook(); return 'main' }
    const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${await blackHole(t)}`], route: { upstream } })
    const before = resources()
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    await reached
    await new Promise(resolve => setImmediate(resolve))
    leave(client)
    await client.over()
    await gateway.idle()
    t.equal(resources().timers, before.timers, 'the dialling is given up')
  })

  t.test(`${name} while the target is silent`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url] })
    const before = resources()
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await target.next()
    await server.head()
    leave(client)
    await server.over()
    await client.over()
    await gateway.idle()
    t.equal(resources().timers, before.timers)
    server.end()
    await server.gone()
  })

  t.test(`${name} as the target answers`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url] })
    for (let turn = 0; turn < 20; turn++) {
      const client = await Wire.connect(t, gateway.port)
      client.write(handshake())
      const server = await target.next()
      const request = await server.head()
      // In the same turn of the event loop, or nearly so: before it, after it, or at once.
      if (turn % 3 === 0) leave(client)
      server.write(turn % 2 === 0 ? goodResponse(request) : 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
      if (turn % 3 === 1) await new Promise(resolve => setImmediate(resolve))
      if (turn % 3 !== 0) leave(client)
      await server.over()
      server.end()
      await client.over()
      client.end()
    }
    await gateway.idle()
    t.equal(gateway.app.gateway.sessions.size, 0)
  })

  t.test(`${name} behind frames that were sent early`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url] })
    const client = await Wire.connect(t, gateway.port)
    client.write(Buffer.concat([Buffer.from(handshake()), masked(0x82, Buffer.alloc(1000))])).write(masked(0x82, Buffer.alloc(1000)))
    const server = await target.next()
    await server.head()
    leave(client)
    if (name === 'a reset') await server.over()
    // Behind frames that nobody has taken yet an end is not seen; the session would be told of it.
    else server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    await gateway.idle()
    t.equal(server.length, 0, 'none of them has reached the target')
  })
}

t.test('frames that were sent early are not read without bound, and arrive in order behind the 101', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  const frames = Array.from({ length: 200 }, (_, index) => masked(0x82, Buffer.alloc(60_000, index)))
  client.write(Buffer.concat([Buffer.from(handshake()), masked(0x81, 'first'), ...frames]))
  const server = await target.next()
  const request = await server.head()
  t.equal(server.length, 0)
  t.ok(client.socket.writableLength > 0, 'the client is held back')
  server.write(goodResponse(request))
  t.equal((await server.frame()).payload.toString(), 'first')
  for (let index = 0; index < 200; index++) {
    const { payload } = await server.frame()
    if (payload.length !== 60_000 || payload[0] !== index || payload[59_999] !== index) t.fail(`frame ${index} is wrong`)
  }
  t.match((await client.head()).start, / 101 /)
})

t.test('a client that leaves while a second target is dialled, behind one that broke off', async t => {
  const breaking = await rawTarget(t)
  const attempts = gate()
  let targets = 0
  const gateway = await startGateway(t, {
    targets: [breaking.url, `http://127.0.0.1:${await blackHole(t)}`],
    upstream: { connectTimeout: 50_000 },
    route: { headers: { request: { 'X-Attempt': () => { if (++targets === 2) attempts.hook().catch(t.threw); return String(targets) } } } },
    setup: app => { app.get('/own', async () => 'ok') }
  })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const first = await breaking.next()
  await first.head()
  first.reset()
  await attempts.reached
  // By then the gateway has heard all of the first target's end.
  t.equal((await exchange(t, gateway.port, 'GET /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).status, 200)
  client.reset()
  await gateway.idle()
  t.equal(resources().timers, 0, 'nothing is waited for')
})
