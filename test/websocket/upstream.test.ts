import t from 'tap'
import { createGateway } from '../../src/service/index.js'
import { ask } from '../helpers/ask.js'
import { startGateway } from '../helpers/gateway.js'
import { namedBackend } from '../helpers/named-backends.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'

async function reach (address: string): Promise<{ request: string, session: string }> {
  const socket = await openSocket(address)
  const message = nextMessage(socket)
  socket.send('who?')
  const session = await message
  socket.terminate()
  return { request: (await ask(address)).body.toString(), session }
}

t.test('handshakes go to an upstream of their own', async t => {
  const [web, sockets] = [await namedBackend(t, 'web'), await namedBackend(t, 'sockets')]
  for (const upstream of ['sockets', sockets, () => 'sockets', async () => sockets]) {
    const gateway = await startGateway(t, { targets: [web], setup: app => { app.upstream('sockets', { targets: [sockets] }) }, route: { websocket: { upstream } } })
    t.same(await reach(`http://127.0.0.1:${gateway.port}`), { request: 'web', session: 'sockets' })
  }
})

t.test('from a configuration, with a reload that moves it', async t => {
  const [web, sockets] = [await namedBackend(t, 'web'), await namedBackend(t, 'sockets')]
  const config = (upstream: string | undefined) => ({
    listen: { port: 0 },
    upstreams: { web: { targets: [web] }, sockets: { targets: [sockets] } },
    routes: [{ url: '/*', upstream: 'web', websocket: { onRemoved: 'close' as const, ...upstream !== undefined && { upstream } } }]
  })
  const gateway = createGateway(config('sockets'), { logger: false })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  t.same(await reach(address), { request: 'web', session: 'sockets' })
  const socket = await openSocket(address)
  const end = closed(socket)
  t.equal((await gateway.reload(config('sockets'))).sessionsEnded, 0)
  t.equal((await gateway.reload(config(undefined))).sessionsEnded, 1)
  t.equal((await end).code, 1012)
  t.same(await reach(address), { request: 'web', session: 'web' })
})

t.test('one that nobody declared', async t => {
  const routes = [{ url: '/*', upstream: 'http://127.0.0.1:1', websocket: { upstream: 'socket' } }]
  await t.rejects(createGateway({ upstreams: { sockets: { targets: ['http://127.0.0.1:1'] } }, routes }, { logger: false }).listen(), { message: /routes\.0\.websocket\.upstream: Route '\/\*' names upstream 'socket'/ })
  t.throws(() => createGateway({ routes: [{ url: '/*', upstream: 'http://127.0.0.1:1', websocket: { upstream: 'ftp://a' } }] }), { message: /routes\.0\.websocket\.upstream: 'ftp:\/\/a' is not a valid target/ })
})
