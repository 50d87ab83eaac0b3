import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { createGateway } from '../../src/service/gateway.js'
import type { MessageRateConfig } from '../../src/options/index.js'
import { echoBackend } from '../helpers/backends.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'

/* What of a rate by key outlives a reload. */

async function start (t: Test, rate: MessageRateConfig) {
  const { url: target } = await echoBackend(t)
  const config = (messageRate: MessageRateConfig) => ({ listen: { port: 0 }, routes: [{ url: '/', upstream: target, websocket: { messageRate, closeTimeout: 100 } }] })
  const gateway = await createGateway(config(rate), { logger: false })
  t.teardown(() => gateway.close())
  const url = await gateway.listen()
  const reload = (rate: MessageRateConfig) => gateway.reload(config(rate))
  return { url, reload }
}

/** Sends so many messages, and waits until they are back. */
async function echo (socket: WebSocket, count: number): Promise<void> {
  let left = count
  const all = new Promise<void>((resolve, reject) => {
    socket.once('close', code => reject(new Error(`the session ended with ${code}, and ${left} messages were missing`)))
    socket.on('message', function listener () {
      if (--left > 0) return
      socket.off('message', listener)
      resolve()
    })
  })
  for (let sent = 0; sent < count; sent++) socket.send('x')
  await all
}

/** Sends one more than is allowed. */
async function exceed (socket: WebSocket): Promise<void> {
  const end = closed(socket)
  socket.send('x')
  t.equal((await end).code, 1008)
}

const SLOW = { messages: 0.001, burst: 5, key: 'address' } as const

t.test('a reload that keeps the rate gives nobody a fresh burst', async t => {
  const { url, reload } = await start(t, SLOW)
  const before = await openSocket(url)
  await echo(before, 3)
  await reload({ ...SLOW })
  const after = await openSocket(url)
  await echo(after, 2)
  await exceed(before)
  t.match(await refusal(url), { status: 429, body: /SLUICE_RATE_EXCEEDED/ })
  await reload({ ...SLOW })
  t.match(await refusal(url), { status: 429 })
})

t.test('nor does one that changes it, which counts for open sessions, too', async t => {
  const { url, reload } = await start(t, SLOW)
  const before = await openSocket(url)
  await echo(before, 5)
  await reload({ ...SLOW, messages: 0.002, burst: 1000 })
  await exceed(await openSocket(url))
  await reload({ ...SLOW, messages: 1_000_000 })
  // What is owed, and what the next message needs, is paid back at the new rate: a microsecond for each.
  await echo(before, 1)
})

t.test('a bucket that outlives its last session outlives a reload', async t => {
  const { url, reload } = await start(t, { ...SLOW, burst: 2 })
  const socket = await openSocket(url)
  await echo(socket, 2)
  const end = closed(socket)
  socket.close()
  await end
  await reload({ ...SLOW, burst: 3 })
  await exceed(await openSocket(url))
})

t.test('another key has other buckets, and sessions keep the one that they began with', async t => {
  const { url, reload } = await start(t, { ...SLOW, burst: 2 })
  const before = await openSocket(url)
  await echo(before, 2)
  await reload({ ...SLOW, burst: 2, key: { header: 'x-user' } })
  const after = await openSocket(url, [], { headers: { 'x-user': 'ann' } })
  await echo(after, 2)
  await exceed(before)
  await exceed(after)
})
