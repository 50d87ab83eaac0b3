import { fastify, type FastifyInstance } from 'fastify'
import t from 'tap'
import upstreams from '../../plugins/upstreams.js'
import type { GatewayConfig } from '../../src/options/index.js'
import sluice from '../../src/plugin.js'
import { locateInObject } from '../../src/service/places.js'

async function app (config: GatewayConfig): Promise<FastifyInstance> {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  await app.register(upstreams, { config, locate: locateInObject, demo: false })
  return app
}

t.test('declares the upstreams of the configuration for the whole app', async t => {
  const filled = await app({ upstreams: { one: { targets: ['http://a'] }, two: { targets: ['http://b'] } } })
  t.throws(() => filled.upstream('one', { targets: ['http://c'] }), { code: 'SLUICE_UPSTREAM_DUPLICATE' })
  t.throws(() => filled.upstream('two', { targets: ['http://c'] }), { code: 'SLUICE_UPSTREAM_DUPLICATE' })
  t.doesNotThrow(() => filled.upstream('three', { targets: ['http://c'] }))
})

t.test('declares nothing when there is none', async t => {
  await t.resolves(app({}))
})

t.test('names the place of an upstream that is refused', async t => {
  await t.rejects(app({ upstreams: { one: { targets: ['https://a'], tls: { ca: '/nowhere/ca.pem' } } } }),
    { code: 'SLUICE_CONFIG_INVALID', message: /^upstreams\.one: .*\/nowhere\/ca\.pem/ })
})
