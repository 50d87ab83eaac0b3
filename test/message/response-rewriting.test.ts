import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { responseChange, type ResponseRewritingOptions } from '../../src/message/response-rewriting.js'
import { parseTarget } from '../../src/net/target-address.js'
import type { ProxyRouteOptions } from '../../src/index.js'
import { createGateway } from '../../src/service/index.js'
import { ask } from '../helpers/ask.js'
import { gatewayApp, httpBackend, type Backend } from '../helpers/backends.js'
import { refusal } from '../helpers/sockets.js'

/** What becomes of one header of a response, of a target at 10.0.0.5:8000 that knows the Host gateway.test. */
function changed (name: string, value: string, options: ResponseRewritingOptions, { target = 'http://10.0.0.5:8000', hostname = 'gateway.test' } = {}): string | undefined {
  const headers = ['Host', 'gateway.test', 'X-Forwarded-Host', 'public.test:8443']
  const result = responseChange(options)([name, value], { hostname } as never, { address: parseTarget(target), headers })
  t.equal(result[0], name)
  return result[1]
}

t.test('Location', async t => {
  const location = (value: string, stripPrefix?: string, target?: string) => changed('Location', value, { stripPrefix, rewriteLocation: true }, { ...(target !== undefined && { target }) })
  const cases: Array<[given: string, wanted: string, why?: string]> = [
    ['/login', '/shop/login'],
    ['/', '/shop/'],
    ['/shop/login', '/shop/shop/login', 'a path is one of the target\'s own, whatever it looks like'],
    ['/login?next=http://10.0.0.5:8000/x#/y', '/shop/login?next=http://10.0.0.5:8000/x#/y'],
    ['http://10.0.0.5:8000/login', '/shop/login', 'the internal address does not leak'],
    ['http://10.0.0.5:8000', '/shop/'],
    ['http://10.0.0.5:8000?a=1', '/shop/?a=1'],
    ['HTTP://10.0.0.5:8000/A', '/shop/A'],
    ['https://10.0.0.5:8000/login', '/shop/login', 'another scheme of the same host'],
    ['ws://10.0.0.5:8000/ws', '/shop/ws'],
    ['http://Gateway.Test/login', '/shop/login', 'the Host that it was sent'],
    ['https://gateway.test/login', '/shop/login'],
    ['https://gateway.test:443/login', '/shop/login', 'with the port of the scheme'],
    ['http://gateway.test:443/login', 'http://gateway.test:443/login'],
    ['https://public.test:8443/login', '/shop/login', 'the X-Forwarded-Host that it was sent'],
    ['http://10.0.0.5:8000//evil.test/', '/shop//evil.test/']
  ]
  for (const [given, wanted, why] of cases) t.equal(location(given, '/shop'), wanted, why ?? given)
  t.equal(location('/login', '/shop/'), '/shop/login')

  const untouched = [
    'https://other.test/login', 'http://10.0.0.5/x', 'http://10.0.0.5:80001/x', 'http://a@10.0.0.5:8000/x', 'http://10.0.0.5:8000@evil.test/', 'http://10.0.0.5:8000.evil.test/',
    '//10.0.0.5:8000/x', '//evil.test/x', '/\\evil.test', 'login', './x', '../x', '?page=2', '#top', '',
    'http:///x', 'http:/x', 'http://[::1/x', 'mailto:a@b.test', 'javascript:alert(1)', '\\\\evil.test'
  ]
  for (const value of untouched) t.equal(location(value, '/shop'), value, `untouched: ${value}`)

  t.test('without a prefix', async t => {
    t.equal(location('/login'), '/login')
    t.equal(location('http://10.0.0.5:8000/login', '/'), '/login')
    for (const rest of ['//evil.test/x', '/\\evil.test/x', '\\evil.test', '/\t/evil.test', '\t/evil.test']) {
      const made = location(`http://10.0.0.5:8000${rest}`)!
      t.equal(new URL(made, 'https://gateway.test/a/b').host, 'gateway.test', `no other host: ${made}`)
    }
  })

  t.test('targets of other kinds', async t => {
    t.equal(location('https://[::1]:8443/x', '/shop', 'https://[::1]:8443'), '/shop/x')
    t.equal(location('https://app.internal/x', '/shop', 'https://app.internal'), '/shop/x')
    t.equal(location('https://app.internal:443/x', '/shop', 'https://app.internal'), '/shop/x')
    t.equal(location('http://localhost/x', '/shop', 'unix:/run/app.sock'), '/shop/x')
  })
})

t.test('Content-Location and Refresh', async t => {
  const options = { stripPrefix: '/shop', rewriteLocation: true }
  t.equal(changed('content-location', '/a.en', options), '/shop/a.en')
  const cases = [
    ['5; url=/x', '5; url=/shop/x'],
    ['0;URL=http://10.0.0.5:8000/x', '0;URL=/shop/x'],
    ["0; url='http://10.0.0.5:8000'", "0; url='/shop/'"],
    ['0, url = "/x"', '0, url = "/shop/x"'],
    ['1.5; /x', '1.5; /shop/x'],
    ['5', '5'], ['5; url=x', '5; url=x'], ['5; url=https://other.test/', '5; url=https://other.test/'], ['x; url=/x', 'x; url=/x']
  ] as const
  for (const [given, wanted] of cases) t.equal(changed('Refresh', given, options), wanted)
  t.equal(changed('Link', '</x>', options), '</x>', 'no other header')
  t.equal(changed('Set-Cookie', 'a=1; Path=/', options), 'a=1; Path=/')
})

t.test('cookies', async t => {
  const cookie = (value: string, rewriteCookies: ResponseRewritingOptions['rewriteCookies'] = true, hostname = 'a.gateway.test') =>
    changed('Set-Cookie', value, { stripPrefix: '/shop', rewriteCookies }, { hostname })
  const cases = [
    ['a=1; Path=/cart; HttpOnly; Secure', 'a=1; Path=/shop/cart; HttpOnly; Secure'],
    ['a=1; path=/', 'a=1; path=/shop'],
    ['a=1;PATH = /cart ;secure', 'a=1;PATH = /shop/cart ;secure'],
    ['a=1; Path="/cart"', 'a=1; Path="/shop/cart"'],
    ['a=1; Path="/"', 'a=1; Path="/shop"'],
    ['a=1; Path=; Path', 'a=1; Path=; Path'],
    ['a=1; Path=cart', 'a=1; Path=cart'],
    ['a=1', 'a=1'],
    ['', ''],
    ['path=/x; Max-Age=0', 'path=/x; Max-Age=0'],
    ['a="x; Path=/y"', 'a="x; Path=/shop/y"'],
    ['a=1; Domain=app.internal; Path=/', 'a=1; Path=/shop'],
    ['a=1; domain=10.0.0.5', 'a=1'],
    ['a=1; DOMAIN=.Gateway.Test', 'a=1; DOMAIN=.Gateway.Test'],
    ['a=1; Domain=a.gateway.test', 'a=1; Domain=a.gateway.test'],
    ['a=1; Domain=way.test', 'a=1'],
    ['a=1; Domain=b.a.gateway.test', 'a=1'],
    ['a=1; Domain=', 'a=1; Domain='],
    ['__Host-a=1; Secure; Path=/', '__Host-a=1; Secure; Path=/'],
    ['__host-a=1; Secure; Path=/', '__host-a=1; Secure; Path=/'],
    ['__Secure-a=1; Secure; Path=/', '__Secure-a=1; Secure; Path=/shop'],
    ['a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/x', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/shop/x']
  ] as const
  for (const [given, wanted] of cases) t.equal(cookie(given), wanted, given)
  t.equal(cookie('a=1; Domain=0.0.5', true, '10.0.0.5'), 'a=1', 'an address has no subdomains')

  const both = 'a=1; Domain=app.internal; Path=/x'
  t.equal(cookie(both, { path: true }), 'a=1; Domain=app.internal; Path=/shop/x')
  t.equal(cookie(both, { domain: true }), 'a=1; Path=/x')
  t.equal(cookie(both, { domain: 'gateway.test', path: '/' }), 'a=1; Domain=gateway.test; Path=/')
  t.equal(cookie(both, { domain: null, path: null }), 'a=1')
  t.equal(cookie('a=1', { domain: 'gateway.test', path: '/' }), 'a=1', 'a cookie of no domain stays that of the host alone')
  t.equal(cookie('__Host-a=1; Path=/', { path: '/x', domain: null }), '__Host-a=1; Path=/')
  t.equal(cookie(both, {}), both)
  t.equal(cookie(both, false), both)
})

t.test('hostile values take no long time', async t => {
  const long = ' '.repeat(60_000)
  const options = { stripPrefix: '/shop', rewriteLocation: true, rewriteCookies: true }
  for (const value of [`a=1;${long}`, `a=1;${long}x`, `a=1; Path=${long}x`, `a=1; Domain=${long}.${long}x`, `a=1${';'.repeat(60_000)}`]) t.ok(changed('Set-Cookie', value, options))
  for (const value of [`${long}x`, `1${long}x`, `1;${long}url${long}x`]) t.equal(changed('Refresh', value, options), value)
})

/** A target that redirects whatever it is asked for, but for a WebSocket at /ws. */
async function redirecting (t: Test): Promise<Backend> {
  const backend = await httpBackend(t, (_request, response) => {
    response.writeHead(302, ['Location', `${backend.url}/login`, 'Set-Cookie', 'a=1; Path=/', 'Set-Cookie', 'b=2; Path=/x; Domain=app.internal', 'Content-Length', '0'])
    response.end()
  })
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on('headers', headers => { headers.push('Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2; Path=/x') })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  backend.server.on('upgrade', (request: IncomingMessage, socket, head) => {
    if (request.url === '/ws') sockets.handleUpgrade(request, socket, head, () => {})
    else socket.end(`HTTP/1.1 302 Found\r\nLocation: http://${request.headers.host}/login\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/x\r\nContent-Length: 0\r\n\r\n`)
  })
  return backend
}

async function through (t: Test, route: Partial<ProxyRouteOptions>) {
  const backend = await redirecting(t)
  const app = await gatewayApp(t)
  app.proxy('/shop/*', { upstream: backend.url, stripPrefix: '/shop', websocket: true, ...route })
  return { address: await app.listen({ port: 0, host: '127.0.0.1' }), backend }
}

t.test('answers, refusals and 101s', async t => {
  const { address } = await through(t, { rewriteLocation: true, rewriteCookies: true })
  const answer = await ask(`${address}/shop/a`)
  t.match(answer, { status: 302, headers: { location: '/shop/login', 'set-cookie': ['a=1; Path=/shop', 'b=2; Path=/shop/x'] } })
  t.match(await refusal(`${address}/shop/refused`), { status: 302, headers: { location: '/shop/login', 'set-cookie': ['a=1; Path=/shop', 'b=2; Path=/shop/x'] } })
  const socket = new WebSocket(`${address.replace('http', 'ws')}/shop/ws`)
  t.teardown(() => socket.terminate())
  const [response] = await once(socket, 'upgrade') as [IncomingMessage]
  t.same(response.headers['set-cookie'], ['a=1; Path=/shop', 'b=2; Path=/shop/x'])
})

t.test('nothing is rewritten by itself', async t => {
  const { address, backend } = await through(t, {})
  const { headers } = await ask(`${address}/shop/a`)
  t.equal(headers.location, `${backend.url}/login`)
  t.same(headers['set-cookie'], ['a=1; Path=/', 'b=2; Path=/x; Domain=app.internal'])
})

t.test('a Host of the route is one that the target knows; header rules come afterwards', async t => {
  const { address } = await through(t, {
    rewriteLocation: true,
    headers: { request: { Host: 'app.internal' }, response: { Location: value => `${value}?from=rule` } }
  })
  t.equal((await refusal(`${address}/shop/refused`)).headers.location, '/shop/login?from=rule')
})

t.test('a route with config.passthrough', async t => {
  const { url } = await redirecting(t)
  const app = await gatewayApp(t)
  app.get('/shop/*', { config: { passthrough: { upstream: url, stripPrefix: '/shop', rewriteLocation: true, rewriteCookies: true } } }, () => 'own')
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await refusal(`${address}/shop/refused`), { status: 302, headers: { location: '/shop/login', 'set-cookie': ['a=1; Path=/shop', 'b=2; Path=/shop/x'] } })
})

t.test('from a configuration', async t => {
  const backend = await httpBackend(t, (_request, response) => { response.writeHead(302, { location: '/login', 'set-cookie': 'a=1; Domain=x.test; Path=/' }).end() })
  const gateway = await createGateway({
    listen: { port: 0 },
    logLevel: 'silent',
    upstreams: { app: { targets: [backend.url] } },
    routes: [{ url: '/shop/*', upstream: 'app', stripPrefix: '/shop', rewriteLocation: true, rewriteCookies: { domain: 'gateway.test', path: true } }]
  })
  t.teardown(() => gateway.close())
  t.match((await ask(`${await gateway.listen()}/shop/a`)).headers, { location: '/shop/login', 'set-cookie': ['a=1; Domain=gateway.test; Path=/shop'] })
})

t.test('rules that cannot be meant', async t => {
  const app = await gatewayApp(t)
  const declare = (options: object) => () => { app.proxy('/x', { ...options, upstream: 'app' }) }
  t.throws(declare({ rewriteLocation: 'yes' }), { code: 'SLUICE_OPTIONS_INVALID', message: /rewriteLocation/ })
  t.throws(declare({ rewriteLocations: true }), { code: 'SLUICE_OPTIONS_INVALID', message: /did you mean 'rewriteLocation'/ })
  t.throws(declare({ rewriteCookies: { domain: 'a; Path=/' } }), { code: 'SLUICE_OPTIONS_INVALID', message: /rewriteCookies.domain/ })
  t.throws(declare({ rewriteCookies: { path: 'x' } }), { message: /rewriteCookies.path/ })
  t.throws(declare({ rewriteCookies: { paths: true } }), { message: /rewriteCookies.paths/ })
})
