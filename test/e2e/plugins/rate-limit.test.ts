import rateLimit, { type RateLimitPluginOptions } from '@fastify/rate-limit'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ProxyRouteOptions } from '../../../src/index.js'
import { ask } from '../../helpers/ask.js'
import { echoBackend, gatewayApp } from '../../helpers/backends.js'
import { nextMessage, openSocket, refusal } from '../../helpers/sockets.js'

async function through (t: Test, options: RateLimitPluginOptions, { fastify = {}, route = {} }: { fastify?: FastifyServerOptions, route?: Partial<ProxyRouteOptions> } = {}) {
  const backend = await echoBackend(t)
  const dialled = { count: 0 }
  backend.server.on('connection', () => { dialled.count++ })
  const app = await gatewayApp(t, fastify)
  await app.register(rateLimit, options)
  app.proxy('/*', { upstream: backend.url, websocket: true, ...route })
  return { address: await app.listen({ port: 0, host: '127.0.0.1' }), dialled }
}

t.test('requests', async t => {
  const { address, dialled } = await through(t, { max: 2 })
  t.match(await ask(address), { status: 200, headers: { 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1' } })
  t.match(await ask(address, { method: 'POST', body: 'x' }), { status: 200, headers: { 'x-ratelimit-remaining': '0' } })
  const before = dialled.count
  const { status, headers, body } = await ask(address, { method: 'POST', body: 'x'.repeat(100_000) })
  t.equal(status, 429)
  t.match(headers, { 'retry-after': /^\d+$/, 'x-ratelimit-remaining': '0' })
  t.match(JSON.parse(body.toString()), { statusCode: 429, message: /Rate limit exceeded/ })
  t.equal(dialled.count, before, 'the target hears nothing of it')
})

t.test('handshakes count as requests, are refused with 429 instead of a 101, and reach no target', async t => {
  const { address, dialled } = await through(t, { max: 2 })
  await ask(address)
  const socket = new WebSocket(address.replace('http', 'ws'))
  t.teardown(() => socket.terminate())
  const [response] = await once(socket, 'upgrade') as [IncomingMessage]
  t.match(response.headers, { 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '0' })
  const before = dialled.count
  const { status, headers, body } = await refusal(address)
  t.equal(status, 429)
  t.match(headers, { 'retry-after': /^\d+$/, connection: 'close' })
  t.match(JSON.parse(body), { statusCode: 429 })
  t.equal(dialled.count, before)
})

t.test('messages of an open session do not count', async t => {
  const { address } = await through(t, { max: 1 })
  const socket = await openSocket(address)
  t.teardown(() => socket.terminate())
  for (const message of ['1', '2', '3']) {
    socket.send(message)
    t.equal(await nextMessage(socket), message)
  }
})

t.test('a route may have a limit of its own', async t => {
  const { address } = await through(t, { max: 1 }, { route: { config: { rateLimit: { max: 2 } } as never } })
  t.equal((await ask(address)).status, 200)
  t.equal((await ask(address)).status, 200)
  t.equal((await ask(address)).status, 429)
})

t.test('clients behind a proxy count each, where it is trusted', async t => {
  const { address } = await through(t, { max: 1 }, { fastify: { trustProxy: '127.0.0.1' } })
  const from = (client: string) => ({ headers: { 'x-forwarded-for': client } })
  t.equal((await ask(address, from('192.0.2.1'))).status, 200)
  t.equal((await ask(address, from('192.0.2.2'))).status, 200)
  t.equal((await refusal(address, from('192.0.2.1'))).status, 429)
  t.equal((await refusal(address, from('198.51.100.9, 192.0.2.1'))).status, 429, 'what a client makes up is no new client')
  const socket = await openSocket(address, [], from('192.0.2.3'))
  socket.terminate()
})

t.test('nobody else makes up an address', async t => {
  const { address } = await through(t, { max: 1 })
  t.equal((await ask(address, { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 200)
  t.equal((await refusal(address, { headers: { 'x-forwarded-for': '192.0.2.2' } })).status, 429)
})
