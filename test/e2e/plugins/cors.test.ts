import cors, { type FastifyCorsOptions } from '@fastify/cors'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ProxyRouteOptions } from '../../../src/index.js'
import { ask } from '../../helpers/ask.js'
import { echoBackend, gatewayApp } from '../../helpers/backends.js'
import { refusingPort } from '../../helpers/raw-target.js'
import { refusal } from '../../helpers/sockets.js'

const origin = 'https://app.example'
const policy: FastifyCorsOptions = { origin: [origin], credentials: true, methods: ['GET', 'PUT'] }
const preflight = { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-token' }

async function through (t: Test, { url = '/*', options = policy, answer = {}, route = {} }: { url?: string, options?: FastifyCorsOptions, answer?: OutgoingHttpHeaders, route?: Partial<ProxyRouteOptions> } = {}) {
  const seen: string[] = []
  const backend = await echoBackend(t)
  backend.server.prependListener('request', (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    for (const [name, value] of Object.entries(answer)) response.setHeader(name, value!)
  })
  backend.sockets.on('headers', headers => { for (const [name, value] of Object.entries(answer)) headers.push(`${name}: ${String(value)}`) })
  const app = await gatewayApp(t)
  await app.register(cors, options)
  app.proxy(url, { upstream: backend.url, websocket: true, ...route })
  return { address: await app.listen({ port: 0, host: '127.0.0.1' }), seen, app }
}

for (const url of ['/*', '*', '/api/*']) {
  t.test(`a preflight is answered by the gateway, and not sent on: ${url}`, async t => {
    const { address, seen } = await through(t, { url })
    const { status, headers } = await ask(`${address}/api/x`, { method: 'OPTIONS', headers: preflight })
    t.equal(status, 204)
    t.match(headers, {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'x-token',
      vary: 'Origin, Access-Control-Request-Headers'
    })
    t.same(seen, [])
    t.equal((await ask(`${address}/api/x`, { method: 'PUT', headers: { origin }, body: 'x' })).headers['access-control-allow-origin'], origin)
    t.same(seen, ['PUT /api/x'])
  })
}

t.test('in a scope with a prefix and a hook that refuses: the preflight comes first', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(async scope => {
    await scope.register(cors, policy)
    scope.addHook('onRequest', async (_request, reply) => reply.code(401).send())
    scope.proxy('/*', { upstream: backend.url, websocket: true })
  }, { prefix: '/api' })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal((await ask(`${address}/api/x`, { method: 'OPTIONS', headers: preflight })).status, 204)
  const refused = await ask(`${address}/api/x`, { headers: { origin } })
  t.equal(refused.status, 401)
  t.equal(refused.headers['access-control-allow-origin'], origin, 'the page may read why')
})

t.test('a route of its own for OPTIONS is the only one that is left alone', async t => {
  const app = await gatewayApp(t)
  app.get('/x', () => 'x')
  t.throws(() => app.proxy('/x', { upstream: 'http://127.0.0.1:1' }), { code: 'SLUICE_ROUTE_INVALID' })
  app.options('/y', () => 'y')
  t.throws(() => app.proxy('/y', { upstream: 'http://127.0.0.1:1', method: 'OPTIONS' }), { code: 'SLUICE_ROUTE_INVALID' }, 'asked for by name it is a mistake')
  app.proxy('/y', { upstream: 'http://127.0.0.1:1', constraints: { host: 'a.example' } })
  app.proxy('/y', { upstream: 'http://127.0.0.1:1' })
  t.equal((await app.inject({ method: 'OPTIONS', url: '/y', headers: { host: 'a.example' } })).statusCode, 502, 'another host is another route')
  t.equal((await app.inject({ method: 'OPTIONS', url: '/y' })).body, 'y')
})

t.test('a route with config.cors false leaves preflights to its target', async t => {
  const { address, seen } = await through(t, { url: '/api/*', route: { config: { cors: false } as never } })
  const { status, headers } = await ask(`${address}/api/x`, { method: 'OPTIONS', headers: preflight })
  t.equal(status, 200)
  t.equal(headers['access-control-allow-origin'], undefined)
  t.same(seen, ['OPTIONS /api/x'])
})

t.test('where the target sends the same headers, its own count; Vary adds up', async t => {
  const { address } = await through(t, { answer: { 'access-control-allow-origin': '*', vary: 'Accept-Language' } })
  const { headers, rawHeaders } = await ask(address, { headers: { origin } })
  t.equal(headers['access-control-allow-origin'], '*')
  t.equal(rawHeaders.filter(name => name.toLowerCase() === 'access-control-allow-origin').length, 1, 'never twice: a browser would refuse the response')
  t.same(headers.vary!.split(', ').sort(), ['Accept-Language', 'Origin'])
})

t.test("the gateway's policy holds where the route removes the target's", async t => {
  const { address } = await through(t, {
    answer: { 'access-control-allow-origin': '*' },
    route: { headers: { response: { 'Access-Control-Allow-Origin': null } } }
  })
  t.equal((await ask(address, { headers: { origin } })).headers['access-control-allow-origin'], origin)
  t.equal((await ask(address, { headers: { origin: 'https://evil.example' } })).headers['access-control-allow-origin'], undefined)
})

t.test("an error of the gateway's own can be read by the page, too", async t => {
  const app = await gatewayApp(t)
  await app.register(cors, policy)
  app.proxy('/*', { upstream: `http://127.0.0.1:${await refusingPort()}`, websocket: true })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const answer of [await ask(address, { headers: { origin } }), await refusal(address, { headers: { origin } })]) {
    t.equal(answer.status, 502)
    t.equal(answer.headers['access-control-allow-origin'], origin)
  }
})

t.test('a handshake gets the headers with its 101; which pages may open it is for `origins` to say', async t => {
  const { address } = await through(t, { route: { websocket: { origins: [origin] } } })
  const socket = new WebSocket(address.replace('http', 'ws'), { headers: { origin } })
  t.teardown(() => socket.terminate())
  const [response] = await once(socket, 'upgrade') as [IncomingMessage]
  t.match(response.headers, { 'access-control-allow-origin': origin, vary: 'Origin' })
  t.equal((await refusal(address, { headers: { origin: 'https://evil.example' } })).status, 403)
})
