import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import type { OpenSession } from '../helpers/gateway.js'
import { memoryInUse } from '../helpers/memory.js'
import { QUICK, accept, lost, open } from '../helpers/reconnect.js'
import { frame, masked, type Wire } from '../helpers/wire.js'

/* What clients may do while there is no target. */

const LONG_WAIT = { delay: 60_000, maxDelay: 60_000 }

/** Resolves when the gateway has read no more of a client for a moment. */
async function standstill ({ gateway }: OpenSession): Promise<void> {
  const [live] = gateway.app.gateway.sessions.list()
  for (let before = -1; before !== live!.fromClient.bytes; await pause(100)) before = live!.fromClient.bytes
}

async function end (session: OpenSession, ...servers: Wire[]): Promise<void> {
  session.client.reset()
  for (const server of servers) {
    await server.over()
    server.end()
  }
  await session.gateway.ended()
}

t.test('a client that pings and does not read costs no memory', async t => {
  const session = await open(t, LONG_WAIT)
  const { client, server, gateway } = session
  server.reset()
  await lost(session)
  client.socket.pause()
  const before = memoryInUse()
  const pings = Buffer.concat(Array.from({ length: 1_000 }, () => masked(0x89, Buffer.alloc(125))))
  for (let count = 0; count < 200; count++) if (!client.socket.write(pings)) await once(client.socket, 'drain')
  await standstill(session)
  const [live] = gateway.app.gateway.sessions.list()
  t.equal(live!.fromClient.frames, 200_000, 'all are read')
  const { heapUsed, external } = memoryInUse()
  const grown = heapUsed + external - before.heapUsed - before.external
  t.ok(grown < 30_000_000, `${grown} bytes`)
  await end(session)
})

t.test('very many small messages are not kept beyond bufferSize, with what they take beside', async t => {
  const session = await open(t, { ...LONG_WAIT, bufferSize: 100_000 })
  const { client, server, gateway } = session
  server.reset()
  await lost(session)
  client.write(Buffer.concat(Array.from({ length: 200_000 }, () => masked(0x81))))
  await standstill(session)
  const [live] = gateway.app.gateway.sessions.list()
  t.ok(live!.fromClient.bytes < 300_000, `${live!.fromClient.bytes} bytes`)
  // One that is not read is not heard to leave.
  live!.close()
  t.equal(await client.close(), '1000')
  await end(session)
})

t.test('a message of very many small fragments is gathered fast, in one piece', async t => {
  const session = await open(t, { bufferSize: 2_000_000 })
  const { client, server, gateway } = session
  const count = 250_000
  const before = memoryInUse()
  const part = masked(0x00, 'x', Buffer.alloc(4))
  const begun = performance.now()
  client.write(masked(0x01, 'x')).write(Buffer.concat(Array.from({ length: count }, () => part)))
  while (gateway.app.gateway.sessions.list()[0]!.fromClient.frames <= count) await pause(5)
  t.ok(performance.now() - begun < 10_000, `${Math.round(performance.now() - begun)} ms`)
  const { heapUsed } = memoryInUse()
  t.ok(heapUsed - before.heapUsed < 20_000_000, `${heapUsed - before.heapUsed} bytes`)
  server.reset()
  const next = await accept(session.target)
  client.write(masked(0x80, 'end'))
  t.equal((await next.server.frame()).payload.toString(), 'x')
  await next.server.bytes(count * part.length)
  t.equal((await next.server.frame()).payload.toString(), 'end')
  await end(session, next.server)
})

t.test('a client that does not read when its target is lost gets all that came whole, and what comes then', async t => {
  const session = await open(t)
  const { client, server, target, gateway } = session
  client.socket.pause()
  const size = 10_000
  let sent = 0
  const [live] = gateway.app.gateway.sessions.list()
  const number = (): Buffer => {
    const payload = Buffer.alloc(size)
    payload.writeUInt32BE(sent++)
    return frame(0x82, payload)
  }
  // Until it stands still.
  while (server.socket.write(number())) await pause(0)
  for (let before = -1; before !== live!.fromTarget.bytes; await pause(50)) before = live!.fromTarget.bytes
  const passed = live!.fromTarget.messages
  server.socket.destroy()
  // The loss stands behind all of that.
  client.socket.resume()
  const next = await accept(target)
  next.server.write(frame(0x81, 'from the next one'))
  let last = -1
  for (;;) {
    const { opcode, payload } = await client.frame()
    if (opcode === 1) {
      t.equal(payload.toString(), 'from the next one')
      break
    }
    if (payload.length !== size || payload.readUInt32BE() !== last + 1) return t.fail(`message ${last + 1} is not there, or not whole`)
    last++
  }
  t.ok(last + 1 >= passed, `${last + 1} of ${sent} messages have come; ${passed} had been read`)
  await end(session, next.server)
})

t.test('hooks that take their time, both ways, while the target is lost', async t => {
  const slow = async ({ text }: { text?: string }): Promise<string> => {
    await pause(30)
    return `${text}!`
  }
  const session = await open(t, {}, { messages: { fromClient: slow, fromTarget: slow } })
  const { client, server, target } = session
  client.write(Buffer.concat([masked(0x81, 'one'), masked(0x81, 'two')]))
  server.write(Buffer.concat([frame(0x81, 'uno'), frame(0x81, 'due')]))
  while (session.gateway.app.gateway.sessions.list()[0]!.fromTarget.messages < 2 || session.gateway.app.gateway.sessions.list()[0]!.fromClient.messages < 2) await pause(1)
  server.reset()
  const next = await accept(target)
  next.server.write(frame(0x81, 'tre'))
  client.write(masked(0x81, 'three'))
  for (const text of ['one!', 'two!', 'three!']) t.equal((await next.server.frame()).payload.toString(), text)
  for (const text of ['uno!', 'due!', 'tre!']) t.equal((await client.frame()).payload.toString(), text)
  await end(session, next.server)
})

t.test('messageRate counts while there is no target', async t => {
  for (const action of ['delay', 'close'] as const) {
    const session = await open(t, LONG_WAIT, { messageRate: { messages: 10, burst: 10, action } })
    const { client, server, gateway } = session
    server.reset()
    await lost(session)
    client.write(Buffer.concat(Array.from({ length: 100 }, () => masked(0x81, 'x'))))
    if (action === 'close') {
      t.equal(await client.close(), '1008')
      await end(session)
      continue
    }
    // The first read is taken whole; what follows it waits.
    await standstill(session)
    client.write(masked(0x81, 'y'))
    await pause(200)
    t.equal(gateway.app.gateway.sessions.list()[0]!.fromClient.messages, 100)
    await end(session)
  }
})

t.test('a target that is lost again and again does not keep an idle session open', async t => {
  const session = await open(t, { ...QUICK, attempts: 1000 }, { idleTimeout: 400 })
  const { client, target, gateway } = session
  let { server } = session
  const closed = client.has(4)
  const begun = performance.now()
  while (gateway.app.gateway.sessions.size > 0 && performance.now() - begun < 3_000) {
    await pause(100)
    if (client.length > 0) break
    server.reset()
    ;({ server } = await Promise.race([accept(target), closed.then(() => ({ server }))]))
  }
  await closed
  t.ok(performance.now() - begun < 2_000, `${Math.round(performance.now() - begun)} ms`)
  t.equal(await client.close(), '1001')
  client.end()
  server.end()
  await gateway.ended()
  t.match(gateway.ends[0], { by: 'gateway', reason: 'idle' })
})

t.test('a session that app code sends to says when too much waits for a target that has just come', async t => {
  const taken: boolean[] = []
  const session = await open(t, {
    onReconnect (session) {
      for (let count = 0; count < 100; count++) taken.push(session.send('target', Buffer.alloc(100_000)))
    }
  })
  session.server.reset()
  const { server } = await accept(session.target)
  while (taken.length === 0) await pause(1)
  t.ok(taken.includes(false))
  for (const isTaken of taken) if (isTaken) t.equal((await server.frame()).payload.length, 100_000)
  await end(session, server)
})
