import { fastify, type FastifyInstance } from 'fastify'
import t from 'tap'
import type { GatewayConfig } from '../../src/options/index.js'
import proxy from '../../routes/proxy.js'
import sluice from '../../src/plugin.js'
import { echoBackend } from '../helpers/backends.js'

async function app (routes?: GatewayConfig['routes']): Promise<FastifyInstance> {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  await app.register(proxy, { config: routes === undefined ? {} : { routes }, locate: path => `sluice.yaml:7:5: ${path.join('.')}`, demo: false })
  return app
}

t.test('registers the routes of the configuration', async t => {
  const { url } = await echoBackend(t)
  const filled = await app([
    { url: '/api/*', upstream: url, stripPrefix: '/api', websocket: true },
    { url: '/read', upstream: url, method: 'GET' },
    { url: ['/both', '/both/*'], upstream: url }
  ])
  t.match((await filled.inject('/api/users')).json(), { url: '/users' })
  t.match((await filled.inject('/read')).json(), { url: '/read' })
  // Issue 8, item 15.
  t.match((await filled.inject('/both')).json(), { url: '/both' })
  t.match((await filled.inject('/both/a')).json(), { url: '/both/a' })
  t.equal((await filled.inject('/bothx')).statusCode, 404)
  t.equal((await filled.inject({ url: '/read', method: 'POST' })).statusCode, 404)
})

t.test('names the place of a route that is refused', async t => {
  await t.rejects(app([{ url: '/a', upstream: 'http://a' }, { url: '/b', upstream: 'http://a', method: 'FETCH' }]),
    { code: 'SLUICE_CONFIG_INVALID', message: /^sluice\.yaml:7:5: routes\.1: FETCH method is not supported/ })
})

t.test('registers none when there is none', async t => {
  t.equal((await (await app()).inject('/')).statusCode, 404)
})
