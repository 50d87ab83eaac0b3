import t from 'tap'
import type { WebSocket } from 'ws'
import { echoBackend } from '../../helpers/backends.js'
import { closed, nextMessage, openSocket } from '../../helpers/sockets.js'
import { pidsOf, runSluice, startWorkers, untilWorkers } from '../../helpers/workers.js'

t.setTimeout(300_000)

/** Sessions over both workers. */
async function openBoth (url: string, count: number): Promise<WebSocket[]> {
  return await Promise.all(Array.from({ length: count }, () => openSocket(url)))
}

t.test('sessions of several workers are reconnected, and counted together', async t => {
  const target = await echoBackend(t)
  const service = await startWorkers(t, {
    upstreams: { app: { targets: [target.url] } },
    routes: [{ url: '/*', upstream: 'app', websocket: { reconnect: { delay: 50 } } }]
  })
  const sockets = await openBoth(service.url, 20)
  for (const client of target.sockets.clients) client.terminate()
  while (target.sockets.clients.size > 0) await new Promise(setImmediate)
  await Promise.all(sockets.map(async socket => {
    const echo = nextMessage(socket)
    socket.send('hello')
    // What is sent before the gateway has noticed is lost.
    const again = setInterval(() => socket.send('hello'), 200)
    await echo
    clearInterval(again)
  }))
  t.equal((await service.metrics()).value('sluice_websocket_reconnects_total', { outcome: 'succeeded' }), 20)
  const { body } = await service.api('GET', '/api/sessions?limit=100')
  t.ok((body.sessions as Array<{ reconnects: number }>).every(({ reconnects }) => reconnects === 1))
  for (const socket of sockets) socket.terminate()
})

t.test('a restart ends sessions with 1012 that are on a target, and those that wait for one', async t => {
  const target = await echoBackend(t)
  const service = await startWorkers(t, {
    upstreams: { app: { targets: [target.url] }, gone: { targets: [target.url] } },
    routes: [
      { url: '/waits', upstream: 'gone', websocket: { reconnect: { delay: 60_000, maxDelay: 60_000 } } },
      { url: '/*', upstream: 'app', websocket: { reconnect: { delay: 50 } } }
    ]
  })
  const before = await pidsOf(service)
  const waiting = await openBoth(`${service.url}/waits`, 10)
  for (const client of target.sockets.clients) client.terminate()
  const connected = await openBoth(service.url, 10)
  const codes = Promise.all([...waiting, ...connected].map(async socket => (await closed(socket)).code))
  t.match(await runSluice(service, t, 'restart'), { code: 0 })
  t.same([...new Set(await codes)], [1012])
  const after = await pidsOf(service)
  t.notOk(after.some(pid => before.includes(pid)), 'new processes')
  await untilWorkers(service, workers => workers.length === 2)
})

t.test('a stop is not held up by sessions that wait for a target', async t => {
  const target = await echoBackend(t)
  const service = await startWorkers(t, {
    upstreams: { app: { targets: [target.url] } },
    routes: [{ url: '/*', upstream: 'app', websocket: { reconnect: { delay: 60_000, maxDelay: 60_000 } } }]
  })
  const sockets = await openBoth(service.url, 10)
  for (const client of target.sockets.clients) client.terminate()
  const codes = Promise.all(sockets.map(async socket => (await closed(socket)).code))
  const begun = performance.now()
  service.command.kill('SIGTERM')
  t.same([...new Set(await codes)], [1012])
  t.equal(await service.command.ended, 0)
  t.ok(performance.now() - begun < 10_000, `${Math.round(performance.now() - begun)} ms`)
})
