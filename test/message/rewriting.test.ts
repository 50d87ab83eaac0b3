import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ProxyRouteOptions } from '../../src/index.js'
import { echoBackend, gatewayApp, type Seen } from '../helpers/backends.js'
import { ask } from '../helpers/ask.js'
import { openSocket } from '../helpers/sockets.js'

async function through (t: Test, url: string, options: Omit<ProxyRouteOptions, 'upstream'>) {
  const seen: IncomingMessage[] = []
  const backend = await echoBackend(t, (_socket, request) => { seen.push(request) })
  backend.sockets.on('headers', headers => { headers.push('X-Secret: 1', 'Set-Cookie: a=1', 'Set-Cookie: b=2') })
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [backend.url] })
  app.proxy(url, { ...options, upstream: 'app', websocket: true })
  return { address: await app.listen({ port: 0 }), handshakes: seen }
}

t.test('rewrite by pattern, behind stripPrefix, on both legs; the query stays', async t => {
  const { address, handshakes } = await through(t, '/api/*', { stripPrefix: '/api', rewrite: { pattern: '^/v(\\d+)/', replacement: '/version-$1/' } })
  t.equal((await (await fetch(`${address}/api/v2/x?y=/v3/`)).json() as Seen).url, '/version-2/x?y=/v3/')
  await openSocket(`${address}/api/v2/ws?q`)
  t.equal(handshakes[0]!.url, '/version-2/ws?q')
})

t.test('rewrite by function', async t => {
  const { address, handshakes } = await through(t, '/users/:id', { rewrite: (path, request) => `/u?id=${(request.params as { id: string }).id}&from=${encodeURIComponent(path)}` })
  t.equal((await (await fetch(`${address}/users/7`)).json() as Seen).url, '/u?id=7&from=%2Fusers%2F7')
  await openSocket(`${address}/users/7`)
  t.equal(handshakes[0]!.url, '/u?id=7&from=%2Fusers%2F7')
})

t.test('a rewrite cannot lead out: no dot segments, no other origin, no second line', async t => {
  const { address } = await through(t, '/:name', { rewrite: (_path, request) => (request.params as { name: string }).name })
  for (const name of ['/../x', 'http://evil.test/', '/x y', '/x\r\nX-Evil: 1', '']) {
    const answer = await fetch(`${address}/${encodeURIComponent(name) || '%20'}`)
    t.equal(answer.status, 400, JSON.stringify(name))
  }
  t.equal((await (await fetch(`${address}/${encodeURIComponent('/fine')}`)).json() as Seen).url, '/fine')
})

t.test('headers: set, removed and rewritten, on both legs and both ways', async t => {
  const { address, handshakes } = await through(t, '/*', {
    headers: {
      request: { 'X-Set': 'here', Cookie: null, 'x-rewritten': (value, request) => `${value} from ${request.ip}`, 'X-Gone': () => undefined },
      response: { 'X-Frame-Options': 'DENY', 'x-secret': null, 'Content-Type': value => value?.replace('json', 'JSON') }
    }
  })
  const headers = { cookie: 'a=1', 'x-rewritten': 'it', 'x-gone': '1', 'x-set': 'client' }
  const answer = await fetch(address, { headers })
  const wanted = { 'x-set': 'here', cookie: undefined, 'x-rewritten': 'it from 127.0.0.1', 'x-gone': undefined }
  t.match((await answer.json() as Seen).headers, wanted)
  t.match(Object.fromEntries(answer.headers), { 'x-frame-options': 'DENY', 'content-type': 'application/JSON' })

  await openSocket(address, [], { headers })
  t.match(handshakes[0]!.headers, wanted)
})

// Issue 8, item 26.
t.test('a header that is set replaces every spelling that a target may not tell from it', async t => {
  const { address, handshakes } = await through(t, '/*', { headers: { request: { 'X-User-Id': 'known', 'X-Gone': null } } })
  const headers = { 'x-user-id': 'a', X_User_Id: 'b', 'X-User_ID': 'c', 'x.user.id': 'd', 'X~User-Id': 'e', x_gone: 'f', 'X.Gone': 'g', 'X-Userid': 'stays' }
  const wanted = ['X-User-Id', 'known']
  const found = (rawHeaders: string[]) => rawHeaders.filter((_item, index) => /^x.(user.id|gone)$/i.test(rawHeaders[index - index % 2]!))
  const seen = JSON.parse((await ask(address, { headers })).body.toString()) as Seen
  t.same(found(seen.rawHeaders), wanted)
  t.equal(seen.headers['x-userid'], 'stays')
  await openSocket(address, [], { headers })
  t.same(found(handshakes[0]!.rawHeaders), wanted)
})

t.test('headers of the 101', async t => {
  const { address } = await through(t, '/*', { headers: { response: { 'X-Frame-Options': 'DENY', 'x-secret': null } } })
  const socket = new WebSocket(address.replace('http', 'ws'))
  t.teardown(() => socket.terminate())
  const [response] = await once(socket, 'upgrade') as [IncomingMessage]
  t.match(response.headers, { 'x-frame-options': 'DENY', 'x-secret': undefined, 'set-cookie': ['a=1', 'b=2'] })
})

t.test('a function that makes a second header line fails the request', async t => {
  const { address } = await through(t, '/*', { headers: { request: { 'x-from': (_value, request) => (request.query as { x: string }).x } } })
  t.equal((await fetch(`${address}/?x=fine`)).status, 200)
  const answer = await fetch(`${address}/?x=${encodeURIComponent('a\r\nX-Evil: 1')}`)
  t.equal(answer.status, 500)
  t.match(await answer.json(), { code: 'SLUICE_REWRITE_INVALID' })
})

t.test('rules that cannot be meant', async t => {
  const app = await gatewayApp(t)
  const declare = (options: Omit<ProxyRouteOptions, 'upstream'>) => () => { app.proxy('/x', { ...options, upstream: 'app' }) }
  t.throws(declare({ headers: { request: { 'Sec-WebSocket-Key': 'x' } } }), { code: 'SLUICE_OPTIONS_INVALID', message: /'Sec-WebSocket-Key' belongs to/ })
  t.throws(declare({ headers: { response: { Connection: null } } }), { message: /headers.response': 'Connection' belongs/ })
  t.throws(declare({ headers: { request: { 'X-A': 'a\nb' } } }), { message: /characters that no header may have/ })
  t.throws(declare({ headers: { request: { 'X A': 'a' } } }), { code: 'SLUICE_OPTIONS_INVALID' })
  t.throws(declare({ headers: { requests: {} } } as never), { code: 'SLUICE_OPTIONS_INVALID', message: /headers.requests/ })
  t.throws(declare({ headers: { request: { 'X-A': 3 } } } as never), { code: 'SLUICE_OPTIONS_INVALID', message: /headers.request.X-A/ })
  t.throws(declare({ header: { request: {} } } as never), { code: 'SLUICE_OPTIONS_INVALID', message: /did you mean 'headers'/ })
  t.throws(declare({ rewrite: { pattern: '(', replacement: '' } }), { code: 'SLUICE_OPTIONS_INVALID', message: /rewrite.pattern/ })
})

t.test('headers as a whole, on both legs and both ways', async t => {
  const { address, handshakes } = await through(t, '/*', {
    headers: {
      request: ({ cookie, 'x-gone': _gone, ...headers }, request) => ({ ...headers, 'X-Set': ['a', 'b'], 'X-From': request.ip, 'x-number': 7, 'x-null': null, connection: 'close', 'Sec-WebSocket-Key': 'x', 'content-length': '9' }),
      response: ({ 'x-secret': _secret, ...headers }) => ({ ...headers, 'X-Frame-Options': 'DENY' })
    }
  })
  const headers = { cookie: 'a=1', 'x-gone': '1', 'X-Kept': 'Case' }
  const answer = await fetch(address, { headers })
  const wanted = { 'x-set': 'a, b', 'x-from': '127.0.0.1', 'x-number': '7', 'x-null': undefined, 'x-gone': undefined, cookie: undefined, 'x-kept': 'Case', 'content-length': undefined }
  t.match((await answer.json() as Seen).headers, wanted)
  t.match(Object.fromEntries(answer.headers), { 'x-frame-options': 'DENY', 'content-type': 'application/json' })
  t.notOk(answer.headers.has('x-secret'))

  const socket = await openSocket(address, [], { headers })
  t.match(handshakes[0]!.headers, { ...wanted, connection: 'Upgrade' }, "what is the handshake's is the gateway's")
  t.ok(handshakes[0]!.rawHeaders.includes('X-Kept'), 'a header that is left as it was keeps its case')
  socket.terminate()
})

t.test('headers as a whole keep lines, and Host', async t => {
  const { address, handshakes } = await through(t, '/*', { headers: { request: ({ 'set-cookie': _cookies, ...headers }) => ({ list: headers['x-list']!, 'x-list': headers['x-list']! }), response: headers => headers } })
  const seen = await (await fetch(address, { headers: [['x-list', 'a'], ['x-list', 'b']] })).json() as Seen
  t.equal(seen.headers.host, address.slice(7))
  t.equal(seen.headers['user-agent'], undefined)
  const upgraded = new WebSocket(address.replace('http', 'ws'), { headers: { 'x-list': ['a', 'b'] } as never })
  const [response] = await once(upgraded, 'upgrade') as [IncomingMessage]
  t.same(response.headers['set-cookie'], ['a=1', 'b=2'])
  const { rawHeaders } = handshakes[0]!
  t.same(rawHeaders.filter((_item, index) => rawHeaders[index - 1]?.toLowerCase() === 'x-list' && index % 2 === 1), ['a', 'b'])
  upgraded.terminate()
})

t.test('headers as a whole that no request may have', async t => {
  for (const made of [{ 'x y': 'z' }, { x: 'a\r\nb: c' }, 'text', null]) {
    const { address } = await through(t, '/*', { headers: { request: () => made as never } })
    const answer = await fetch(address)
    t.equal(answer.status, 500, JSON.stringify(made))
    t.match(await answer.json(), { code: 'SLUICE_REWRITE_INVALID' })
  }
})
