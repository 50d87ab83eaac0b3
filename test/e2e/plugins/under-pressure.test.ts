import underPressure, { type FastifyUnderPressureOptions as UnderPressureOptions } from '@fastify/under-pressure'
import t, { type Test } from 'tap'
import { ask } from '../../helpers/ask.js'
import { echoBackend, gatewayApp } from '../../helpers/backends.js'
import { nextMessage, openSocket, refusal } from '../../helpers/sockets.js'

async function through (t: Test, options: UnderPressureOptions) {
  const backend = await echoBackend(t)
  const dialled = { count: 0 }
  backend.server.on('connection', () => { dialled.count++ })
  const app = await gatewayApp(t)
  await app.register(underPressure, options)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  return { address: await app.listen({ port: 0, host: '127.0.0.1' }), dialled }
}

/** Far longer than the test. */
const healthCheckInterval = 3_600_000

t.test('under pressure requests and handshakes are refused with 503, and no target is dialled', async t => {
  const { address, dialled } = await through(t, { healthCheck: async () => false, healthCheckInterval, retryAfter: 50, exposeStatusRoute: '/status' })
  const answer = await ask(address, { method: 'POST', body: 'x' })
  t.match([answer.status, answer.headers['retry-after'], JSON.parse(answer.body.toString())], [503, '50', { code: 'FST_UNDER_PRESSURE' }])
  const refused = await refusal(address)
  t.match([refused.status, refused.headers['retry-after'], JSON.parse(refused.body)], [503, '50', { code: 'FST_UNDER_PRESSURE' }])
  t.equal((await ask(`${address}/status`)).status, 503)
  t.equal(dialled.count, 0)
})

t.test('without pressure they pass, beside the route for its status', async t => {
  const { address } = await through(t, { healthCheck: async () => true, healthCheckInterval, exposeStatusRoute: '/status' })
  t.match(JSON.parse((await ask(`${address}/status`)).body.toString()), { status: 'ok' })
  t.match(JSON.parse((await ask(`${address}/x`)).body.toString()), { url: '/x' })
  const socket = await openSocket(address)
  t.teardown(() => socket.terminate())
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
})

t.test('an open session outlasts the pressure', async t => {
  let healthy = true
  let checked = (): void => {}
  const { address } = await through(t, { healthCheck: async () => { setImmediate(() => checked()); return healthy }, healthCheckInterval: 1 })
  const socket = await openSocket(address)
  t.teardown(() => socket.terminate())
  healthy = false
  // The first check from now on may have looked before.
  for (let count = 0; count < 2; count++) await new Promise<void>(resolve => { checked = resolve })
  t.equal((await refusal(address)).status, 503)
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
})
