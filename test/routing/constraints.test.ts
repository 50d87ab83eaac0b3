import t, { type Test } from 'tap'
import type { GatewayConfig, RouteConstraints } from '../../src/options/index.js'
import { createGateway } from '../../src/service/gateway.js'
import { ask } from '../helpers/ask.js'
import { gatewayApp } from '../helpers/backends.js'
import { namedBackend } from '../helpers/named-backends.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'

async function gateway (t: Test, config: GatewayConfig): Promise<string> {
  const created = await createGateway({ listen: { port: 0 }, ...config }, { logger: false })
  t.teardown(() => created.close())
  return created.listen()
}

/** A gateway with a route '/*' for each name, to a target that responds with that name. */
async function routed (t: Test, routes: Record<string, RouteConstraints | undefined>): Promise<(headers: Record<string, string>) => Promise<string>> {
  const targets = await Promise.all(Object.keys(routes).map(name => namedBackend(t, name)))
  const address = await gateway(t, {
    routes: Object.values(routes).map((constraints, index) => ({ url: '/*', upstream: targets[index]!, ...constraints !== undefined && { constraints } }))
  })
  return async headers => {
    const { status, body } = await ask(address, { headers })
    return status === 200 ? body.toString() : String(status)
  }
}

t.test('routes by host, the most specific name first', async t => {
  const reach = await routed(t, {
    wild: { host: '*.example.com' },
    deep: { host: '*.deep.example.com' },
    app: { host: 'app.example.com' },
    several: { host: ['One.test', '*.two.test', '[::1]'] },
    rest: undefined
  })
  for (const [host, name] of [
    ['app.example.com', 'app'], ['APP.example.COM:8080', 'app'], ['app.example.com.', 'app'], ['other.example.com', 'wild'], ['a.b.example.com', 'wild'],
    ['x.deep.example.com', 'deep'], ['deep.example.com', 'wild'], ['example.com', 'rest'], ['appexample.com', 'rest'], ['one.test', 'several'],
    ['a.two.test:1', 'several'], ['two.test', 'rest'], ['[::1]:80', 'several'], ['127.0.0.1', 'rest'], ['', 'rest']
  ] as const) t.equal(await reach({ host }), name, host)
})

t.test('a host that no route has is not found', async t => {
  const reach = await routed(t, { app: { host: 'app.example.com' } })
  t.equal(await reach({ host: 'app.example.com' }), 'app')
  t.equal(await reach({ host: 'other.example.com' }), '404')
})

t.test('routes by header: the most headers first, and of these the first route', async t => {
  const reach = await routed(t, {
    both: { headers: { 'X-A': '1', 'x-b': '2' } },
    a: { headers: { 'x-a': '1' } },
    b: { headers: { 'x-b': '2' } },
    rest: {}
  })
  t.equal(await reach({ 'x-a': '1', 'x-b': '2' }), 'both')
  t.equal(await reach({ 'x-a': '1', 'x-b': '3' }), 'a')
  t.equal(await reach({ 'x-b': '2' }), 'b')
  t.equal(await reach({ 'x-a': '2' }), 'rest')
  t.equal(await reach({}), 'rest')
  const equal = await routed(t, { first: { headers: { 'x-a': '1' } }, second: { headers: { 'x-b': '1' } } })
  t.equal(await equal({ 'x-a': '1', 'x-b': '1' }), 'first')
  t.equal(await equal({}), '404')
})

t.test('by both, where the host counts first', async t => {
  const reach = await routed(t, {
    canary: { host: 'app.example.com', headers: { 'x-canary': 'yes' } },
    app: { host: 'app.example.com' },
    wild: { host: '*.example.com', headers: { 'x-canary': 'yes' } },
    others: { headers: { 'x-canary': 'yes', 'x-more': '1' } },
    full: { host: 'full.example.com', headers: { 'x-full': '1' } }
  })
  t.equal(await reach({ host: 'app.example.com', 'x-canary': 'yes' }), 'canary')
  t.equal(await reach({ host: 'app.example.com' }), 'app')
  t.equal(await reach({ host: 'b.example.com', 'x-canary': 'yes' }), 'wild')
  t.equal(await reach({ host: 'b.example.com' }), '404')
  t.equal(await reach({ host: 'full.example.com', 'x-full': '1', 'x-canary': 'yes' }), 'full')
  t.equal(await reach({ host: 'full.example.com', 'x-canary': 'yes' }), 'wild', 'the next one that matches')
  t.equal(await reach({ host: 'else.test', 'x-canary': 'yes', 'x-more': '1' }), 'others')
})

t.test('WebSockets are routed alike, and a reload that removes one host ends its sessions alone', async t => {
  const [a, b] = [await namedBackend(t, 'a'), await namedBackend(t, 'b')]
  const route = (name: string, upstream: string) => ({ url: '/*', constraints: { host: `${name}.test` }, upstream, websocket: { onRemoved: 'close' as const } })
  const created = await createGateway({ listen: { port: 0 }, routes: [route('a', a), route('b', b)] }, { logger: false })
  t.teardown(() => created.close())
  const address = await created.listen()
  const open = (host: string) => openSocket(address, [], { headers: { host } })
  const [first, second] = [await open('a.test'), await open('b.test')]
  for (const [socket, name] of [[first, 'a'], [second, 'b']] as const) {
    const said = nextMessage(socket)
    socket.send('who?')
    t.equal(await said, name)
  }
  const end = closed(first)
  t.equal((await created.reload({ listen: { port: 0 }, routes: [route('b', b)] })).sessionsEnded, 1)
  t.equal((await end).code, 1012)
  t.equal(second.readyState, second.OPEN)
})

t.test('sessions are limited by route, not by URL', async t => {
  const target = await namedBackend(t, 'a')
  const route = (host: string) => ({ url: '/*', constraints: { host }, upstream: target, websocket: { maxSessions: 1 } })
  const address = await gateway(t, { routes: [route('a.test'), route('b.test')] })
  await openSocket(address, [], { headers: { host: 'a.test' } })
  await openSocket(address, [], { headers: { host: 'b.test' } })
  t.rejects(openSocket(address, [], { headers: { host: 'a.test' } }), /503/)
})

t.test('from code they stand beside those of Fastify', async t => {
  const [a, b, c, d] = await Promise.all(['a', 'b', 'c', 'd'].map(name => namedBackend(t, name)))
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: a!, constraints: { host: '*.test', version: '1.0.0' } })
  app.proxy('/*', { upstream: b!, constraints: { host: 'x.test', headers: { 'x-b': '1' } } })
  app.proxy('/*', { upstream: c!, constraints: { host: /^regular\./ } })
  app.proxy('/*', { upstream: d!, constraints: { host: 'port.example:81' } })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const reach = async (headers: Record<string, string>) => (await ask(address, { headers })).body.toString().slice(0, 1)
  t.equal(await reach({ host: 'x.test', 'accept-version': '1.x' }), 'a')
  t.equal(await reach({ host: 'X.test:8080', 'x-b': '1' }), 'b')
  t.equal(await reach({ host: 'regular.example' }), 'c')
  t.equal(await reach({ host: 'port.example:81' }), 'd')
  t.equal(await reach({ host: 'port.example' }), '{')
  t.throws(() => app.proxy('/y', { upstream: a!, constraints: { host: 'http://x' } }), { code: 'SLUICE_OPTIONS_INVALID', message: /The constraints of route '\/y': option 'host'/ })
})

t.test('routes of one host that differ in their version', async t => {
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => namedBackend(t, name)))
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: a!, constraints: { host: 'app.test', version: '2.0.0' } })
  app.proxy('/*', { upstream: b!, constraints: { host: 'app.test.' } })
  app.proxy('/*', { upstream: c!, constraints: { host: 'app.test', version: '3.0.0', headers: { 'x-c': '1' } } })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const reach = async (headers: Record<string, string>) => (await ask(address, { headers: { host: 'app.test', ...headers } })).body.toString().slice(0, 1)
  t.equal(await reach({ 'accept-version': '2.x' }), 'a')
  t.equal(await reach({}), 'b', 'the dot at the end of a name counts in neither')
  t.equal(await reach({ 'accept-version': '3.x', 'x-c': '1' }), 'c')
  t.equal(await reach({ 'x-c': '1' }), 'b')
})

t.test('what is wrong with constraints', async t => {
  const upstream = 'http://127.0.0.1:1'
  const fails = (routes: unknown[], message: RegExp) => t.throws(() => createGateway({ routes } as GatewayConfig), { code: 'SLUICE_CONFIG_INVALID', message })
  fails([{ url: '/*', upstream, constraints: { host: 'http://a.test' } }], /routes\.0\.constraints\.host.*A host without its port/)
  fails([{ url: '/*', upstream, constraints: { host: 'a.test:80' } }], /routes\.0\.constraints\.host/)
  fails([{ url: '/*', upstream, constraints: { host: 'a.*.test' } }], /routes\.0\.constraints\.host/)
  fails([{ url: '/*', upstream, constraints: { headers: { 'a b': '1' } } }], /routes\.0\.constraints\.headers/)
  fails([{ url: '/*', upstream, constraints: { hots: 'a' } }], /did you mean 'host'/)
  fails([{ url: '/*', upstream, constraints: { host: 'A.test' } }, { url: '/*', upstream, constraints: { host: ['a.test'] } }], /served by routes\.0 already; give them different methods or constraints/)
  const many = Array.from({ length: 32 }, (_, index) => ({ url: '/*', upstream, constraints: { host: `h${index}.test` } }))
  fails(many, /routes\.31\.url: '\/\*' has 32 routes; the router can tell 31 of a URL apart/)
})
