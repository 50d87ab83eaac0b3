import { fastify, type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import demoRoute from '../../routes/demo.js'
import sluice from '../../src/plugin.js'
import { locateInObject } from '../../src/service/places.js'
import { echoBackend } from '../helpers/backends.js'
import { runCommand } from '../helpers/command.js'
import { REPOSITORY } from '../helpers/consumer.js'
import { nextMessage, openSocket } from '../helpers/sockets.js'

async function app (t: Test, demo: boolean): Promise<FastifyInstance> {
  const { url } = await echoBackend(t)
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(sluice)
  app.upstream('demo', { targets: [url] })
  await app.register(demoRoute, { config: {}, locate: locateInObject, demo })
  return app
}

t.test("sends everything to the upstream 'demo', WebSockets included", async t => {
  const address = await (await app(t, true)).listen({ host: '127.0.0.1', port: 0 })
  t.match(await (await fetch(`${address}/any/path`, { method: 'PUT' })).json(), { url: '/any/path', method: 'PUT' })
  const socket = await openSocket(`${address}/echo`)
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  socket.terminate()
})

t.test('takes no request when something is configured', async t => {
  t.equal((await (await app(t, false)).inject('/')).statusCode, 404)
})

t.test('nothing of the demo is loaded where it is not served', async t => {
  const output = await runCommand(t, process.execPath, ['--input-type=module', '-e', `
    import { createRequire } from 'node:module'
    import { locateInObject } from './dist/src/service/places.js'
    import { openGateway } from './dist/src/service/running-gateway.js'
    for (const demo of [false, true]) {
      const gateway = openGateway({ config: {}, locate: locateInObject, demo, logger: false })
      await gateway.check()
      await gateway.close()
      const loaded = Object.keys(createRequire(import.meta.url).cache)
      console.log(demo, loaded.some(path => path.includes('@fastify/websocket')))
    }
  `], { cwd: REPOSITORY })
  t.equal(output, 'false false\ntrue true\n')
})
