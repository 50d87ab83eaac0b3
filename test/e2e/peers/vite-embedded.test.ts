import Fastify from 'fastify'
import t, { type Test } from 'tap'
import sluice, { type ProxyRouteOptions } from '../../../src/index.js'
import { startVite, type Vite } from '../../helpers/vite.js'
import { hotReloadAt, openApp } from './hot-reload.js'

t.test("Vite's hot reload works through a proxied route of an app", async t => {
  const vite = await startVite(t, 'before the edit')
  await hotReloadAt(t, vite, await startApp(t, vite, { websocket: true }))
})

t.test('without `websocket` it does not, so there is no way around the gateway', async t => {
  const vite = await startVite(t, 'before the edit')
  const url = await startApp(t, vite, { websocket: false })
  const { sockets, outcome } = await openApp(t, url)
  t.match(outcome, '[vite] failed to connect to websocket')
  t.same(sockets, [new URL(url).host, '127.0.0.1:0'], "the second is Vite's client dialling Vite itself, whose port it does not know")
})

async function startApp (t: Test, vite: Vite, options: Pick<ProxyRouteOptions, 'websocket'>): Promise<string> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  app.upstream('vite', { targets: [vite.url] })
  app.proxy('/*', { upstream: 'vite', ...options })
  return await app.listen({ host: '127.0.0.1', port: 0 })
}
