import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ProxyRouteOptions } from '../../../src/index.js'
import { ask } from '../../helpers/ask.js'
import { echoBackend, gatewayApp } from '../../helpers/backends.js'
import { refusingPort } from '../../helpers/raw-target.js'
import { refusal } from '../../helpers/sockets.js'

const SECURED = {
  'content-security-policy': /default-src 'self'/,
  'strict-transport-security': /max-age=/,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN'
}

async function through (t: Test, { answer = {}, options = {}, route = {} }: { answer?: OutgoingHttpHeaders, options?: FastifyHelmetOptions, route?: Partial<ProxyRouteOptions> } = {}): Promise<string> {
  const backend = await echoBackend(t)
  backend.server.prependListener('request', (_request, response) => {
    for (const [name, value] of Object.entries(answer)) response.setHeader(name, value!)
  })
  backend.sockets.on('headers', headers => { for (const [name, value] of Object.entries(answer)) headers.push(`${name}: ${String(value)}`) })
  const app = await gatewayApp(t)
  await app.register(helmet, options)
  app.proxy('/*', { upstream: backend.url, websocket: true, ...route })
  return app.listen({ port: 0, host: '127.0.0.1' })
}

async function headersOf101 (t: Test, address: string): Promise<IncomingMessage> {
  const socket = new WebSocket(address.replace('http', 'ws'))
  t.teardown(() => socket.terminate())
  const [response] = await once(socket, 'upgrade') as [IncomingMessage]
  return response
}

t.test('answers and 101s have its headers', async t => {
  const address = await through(t)
  t.match((await ask(address)).headers, SECURED)
  t.match((await headersOf101(t, address)).headers, SECURED)
})

t.test('so have refusals and errors', async t => {
  const backend = await echoBackend(t)
  backend.server.removeAllListeners('upgrade')
  backend.server.on('upgrade', (_request, socket) => { socket.end('HTTP/1.1 401 Unauthorized\r\nX-Frame-Options: DENY\r\nContent-Length: 0\r\n\r\n') })
  const app = await gatewayApp(t)
  await app.register(helmet)
  app.proxy('/up', { upstream: backend.url, websocket: true })
  app.proxy('/down', { upstream: `http://127.0.0.1:${await refusingPort()}`, websocket: true })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await refusal(`${address}/up`), { status: 401, headers: { ...SECURED, 'x-frame-options': 'DENY' } })
  t.match(await refusal(`${address}/down`), { status: 502, headers: SECURED })
  t.match(await ask(`${address}/down`), { status: 502, headers: SECURED })
})

t.test('what the target says of itself counts, once', async t => {
  const own = { 'content-security-policy': "default-src 'none'", 'x-frame-options': 'DENY' }
  const address = await through(t, { answer: own })
  for (const { headers, rawHeaders } of [await ask(address), await headersOf101(t, address)]) {
    t.match(headers, { ...SECURED, ...own })
    for (const name of Object.keys(own)) t.equal(rawHeaders.filter(other => other.toLowerCase() === name).length, 1, name)
  }
})

t.test("the gateway's policy holds where the route removes the target's", async t => {
  const address = await through(t, {
    answer: { 'x-frame-options': 'ALLOWALL', 'x-powered-by': 'PHP/5' },
    route: { headers: { response: { 'X-Frame-Options': null, 'X-Powered-By': null } } }
  })
  for (const { headers } of [await ask(address), await headersOf101(t, address)]) {
    t.match(headers, { ...SECURED, 'x-powered-by': undefined })
  }
})

t.test('a route may have its own, or none', async t => {
  const address = await through(t, { route: { helmet: { frameguard: { action: 'deny' } } } as Partial<ProxyRouteOptions> })
  t.match((await ask(address)).headers, { ...SECURED, 'x-frame-options': 'DENY' })
  const without = await through(t, { route: { helmet: false } as Partial<ProxyRouteOptions> })
  t.equal((await ask(without)).headers['x-frame-options'], undefined)
})
