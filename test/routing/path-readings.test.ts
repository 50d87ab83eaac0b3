import type { AddressInfo } from 'node:net'
import type { FastifyRequest, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { rewritingOf } from '../../src/message/rewriting.js'
import { recordingTarget } from '../corpus/recording-target.js'
import { echoBackend, gatewayApp, type Seen } from '../helpers/backends.js'
import { exchange, handshake } from '../helpers/raw-client.js'

/** A gateway with a guard on one route and a catch-all, both to the same target. */
async function guarded (t: Test, guardedUrl = '/admin/*', options: FastifyServerOptions = {}): Promise<(path: string, method?: string) => Promise<number>> {
  const target = await recordingTarget(t)
  const app = await gatewayApp(t, options)
  app.proxy(guardedUrl, { upstream: target.url, websocket: true, onRequest: async (_request, reply) => reply.code(403).send() })
  app.proxy('/*', { upstream: target.url, websocket: true })
  app.proxy('/gitlab/*', { upstream: target.url })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return async (path, method = 'GET') => (await exchange(t, port, `${method} ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`)).status
}

const HIDDEN = [
  '//admin/x', '/admin%2Fx', '/admin%2fx', '//admin%2fx', '/admin\\x', '/admin%5cx', '/\\admin/x', '/%5Cadmin%5Cx', '/ADMIN/x', '/Admin%2Fx',
  '/admin;/x', '/admin;a=b/x', '/admin%3b/x', '/;a/admin/x', '/admin%00/x', '/%00admin/x', '/admin/%2e%2e%2fadmin/x', '/%2Fadmin/x', '/%61dmin%2Fx', '/x;/..;/admin/x'
]

// Issue 8, item 27
t.test('a guarded route cannot be passed by under another spelling', async t => {
  const status = await guarded(t)
  t.equal(await status('/admin/x'), 403)
  t.equal(await status('/%61dmin/x'), 403, 'the router decodes it')
  for (const path of HIDDEN) {
    for (const method of ['GET', 'HEAD', 'POST']) t.match(await status(path, method), /^40[03]$/, `${method} ${path}`)
  }
})

// Issue 8, item 27
t.test('nor by a handshake', async t => {
  const target = await recordingTarget(t)
  const app = await gatewayApp(t)
  app.proxy('/admin/*', { upstream: target.url, websocket: true, onRequest: async (_request, reply) => reply.code(403).send() })
  app.proxy('/*', { upstream: target.url, websocket: true })
  await app.listen({ port: 0, host: '127.0.0.1' })
  for (const path of HIDDEN) {
    const answer = await exchange(t, (app.server.address() as AddressInfo).port, handshake({ path }))
    t.match(answer.status, /^40[03]$/, path)
  }
  t.same(target.requests, [])
})

// Issue 8, item 27
t.test('paths whose readings stay on their route pass', async t => {
  const status = await guarded(t)
  for (const path of [
    '/', '/a/b', '/a%20b', '/@scope%2fpackage', '/%40scope%2Fpackage', '/gitlab/api/v4/projects/group%2Fproject', '/api/contents/a%2Fb.ipynb',
    '/Users/JohnDoe', '/a//b', '/a;b=c/d', '/caf%C3%A9', '/a%252Fb', '/a%3Fb', '/admin', '/administrator', '/x?y=//admin/x&z=%2Fadmin%2F'
  ]) t.equal(await status(path), 200, path)
})

// Issue 8, item 27
t.test('a parameter that is too long for the router', async t => {
  const status = await guarded(t, '/admin/:id')
  t.equal(await status(`/admin/${'x'.repeat(100)}`), 403)
  t.equal(await status(`/admin/${'x'.repeat(101)}`), 400)
})

// Issue 8, item 27
t.test('a guarded route that is declared in capitals', async t => {
  const status = await guarded(t, '/Admin/*')
  t.equal(await status('/Admin/x'), 403)
  t.equal(await status('/admin/x'), 400)
  t.equal(await status('/other/x'), 200)
})

// Issue 8, item 27
t.test('a path with more readings than an honest one is refused, and soon', async t => {
  const status = await guarded(t)
  const start = performance.now()
  t.equal(await status(`/${'a%2f;b\\//%00%3f%40;'.repeat(600)}`), 400)
  t.ok(performance.now() - start < 2000)
})

/** What the target gets of a request, and what a hook sees. */
async function through (t: Test, url: string, options: FastifyServerOptions = {}, stripPrefix?: string): Promise<{ send: (start: string, lines?: string[]) => Promise<{ status: number, body: string }>, hosts: string[] }> {
  const target = await echoBackend(t)
  const app = await gatewayApp(t, options)
  const hosts: string[] = []
  app.addHook('onRequest', async request => { hosts.push(request.host) })
  app.proxy(url, { upstream: target.url, websocket: true, ...stripPrefix !== undefined && { stripPrefix } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { hosts, send: (start, lines = ['Host: a.test']) => exchange(t, port, [`${start} HTTP/1.1`, ...lines, 'Connection: close', '', ''].join('\r\n')) }
}

// Issue 8, item 15
t.test('escapes that are no UTF-8 go on as they are', async t => {
  const { send } = await through(t, '/*')
  for (const path of ['/caf%E9', '/%ff%C3%A9?a=%E9', '/%e9/b']) t.equal((JSON.parse((await send(`GET ${path}`)).body) as Seen).url, path)
  t.equal((await send('GET /%zz')).status, 400, 'what is no escape does not')
})

// Issue 8, item 15
t.test('an escaped reserved character in a static prefix matches', async t => {
  const { send } = await through(t, '/@scope/*')
  for (const path of ['/@scope/a', '/%40scope/a', '/%40scope/%40b']) t.equal((JSON.parse((await send(`GET ${path}`)).body) as Seen).url, path)
  const stripped = await through(t, '/@scope/*', {}, '/@scope')
  t.equal((JSON.parse((await stripped.send('GET /%40scope/%40b')).body) as Seen).url, '/%40b')
})

// Issue 8, item 15
t.test('absolute-form is taken, and its authority is the host', async t => {
  const { send, hosts } = await through(t, '/*')
  const seen = JSON.parse((await send('GET http://other.test:81/a?b')).body) as Seen
  t.match(seen, { url: '/a?b', headers: { host: 'other.test:81', 'x-forwarded-host': 'other.test:81' } })
  t.equal((JSON.parse((await send('GET http://other.test?b')).body) as Seen).url, '/?b')
  t.same(hosts, ['other.test:81', 'other.test'])
  t.equal((await send('GET http://user@other.test/')).status, 400, 'userinfo has no place there')
  t.equal((await send('GET ftp://other.test/')).status, 400)
  t.equal((await send('OPTIONS *')).status, 400)
})

// Issue 8, item 27
t.test('the root of a scope with a prefix, of which Fastify makes two routes', async t => {
  const target = await recordingTarget(t)
  const app = await gatewayApp(t)
  await app.register(async scope => {
    scope.addHook('onRequest', async (_request, reply) => reply.code(403).send())
    scope.proxy('/', { upstream: target.url })
  }, { prefix: '/admin' })
  app.proxy('/*', { upstream: target.url })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const status = async (path: string) => (await exchange(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)).status
  for (const path of ['/admin', '/admin/', '/%61dmin/']) t.equal(await status(path), 403, path)
  for (const path of ['//admin', '//admin/', '/admin%2f', '/ADMIN/', '/admin/%00', '/admin;a/']) t.equal(await status(path), 400, path)
  t.same(target.requests, [])
  t.equal(await status('/administrator/'), 200)
})

// Issue 8, item 27
t.test('dot segments that only a reading has', async t => {
  const status = await guarded(t)
  for (const path of ['/x/..%00', '/x/..%00/admin/x', '/x/.%00./admin/x', '/x/..%3fy', '/x/..%23', '/x/%2e.%00']) t.equal(await status(path), 400, path)
  for (const path of ['/x/..a%00', '/x/a..%3f', '/x/...']) t.equal(await status(path), 200, path)
})

// Issue 8, item 26
t.test('a header that has a rule cannot be brought in under a name that CGI makes the same', async t => {
  const { send } = await through(t, '/*')
  const lines = ['Content_Length: 5', 'Transfer.Encoding: chunked', 'Proxy: http://evil.test', 'CONTENT_TYPE: a', 'User_Agent: b', 'X_Real_IP: 6.6.6.6']
  const { headers } = JSON.parse((await send('GET /', ['Host: a.test', ...lines, 'Own_Header: stays', 'User-Agent: c'])).body) as Seen
  t.match(headers, { own_header: 'stays', 'user-agent': 'c' })
  for (const line of lines) t.notOk(Object.hasOwn(headers, line.split(':')[0]!.toLowerCase()), line)
})

// Issue 8, item 26
t.test('rules for headers, by folded names', async t => {
  const request = {} as FastifyRequest
  const { requestHeaders } = rewritingOf({ headers: { request: { 'X-User-Id': '7', Cookie: null, X_Own: 'a', 'X-Own': 'b' } } }, 'Route')
  t.same(requestHeaders(['X_User_Id', '1', 'x.user-id', '2', 'X-USER-ID', '3', 'cookie', 'a', 'X-User-Idx', '4'], request),
    ['X-User-Idx', '4', 'X-User-Id', '7', 'X_Own', 'a', 'X-Own', 'b'])
  for (const name of ['Content_Length', 'transfer.encoding']) {
    t.throws(() => rewritingOf({ headers: { request: { [name]: '1' } } }, 'Route'), { code: 'SLUICE_OPTIONS_INVALID' }, name)
  }
})
