import { fastify } from 'fastify'
import t from 'tap'
import demo from '../../plugins/demo.js'
import sluice from '../../src/plugin.js'
import { locateInObject } from '../../src/service/places.js'

const options = { config: {}, locate: locateInObject }

t.test("declares the upstream 'demo', says so, and ends with the app", async t => {
  const lines: string[] = []
  const app = fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(sluice)
  await app.register(demo, { ...options, demo: true })
  t.throws(() => app.upstream('demo', { targets: ['http://a'] }), { code: 'SLUICE_UPSTREAM_DUPLICATE' })
  t.match(lines.join(''), /this is the demo.*sluice http:\/\/127\.0\.0\.1:5173.*--config.*UPSTREAM_URL/)

  app.proxy('/*', { upstream: 'demo' })
  t.match((await app.inject('/')).body, '<title>Sluice demo</title>')
})

t.test('does nothing when something is configured', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  await app.register(demo, { ...options, demo: false })
  t.doesNotThrow(() => app.upstream('demo', { targets: ['http://a'] }))
})
