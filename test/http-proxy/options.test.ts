import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { httpBackend } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { echoed, proxyApp, tryHandshake, watchedTarget } from '../helpers/http-proxy.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { closed } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

t.test('the schemes of upstream and wsUpstream', async t => {
  const target = await watchedTarget(t)
  for (const option of ['upstream', 'wsUpstream']) {
    for (const scheme of ['http', 'ws', 'HTTP', 'WS']) {
      const { url } = await proxyApp(t, { [option]: target.url.replace('http', scheme), websocket: true })
      const { socket } = await tryHandshake(t, url)
      t.equal(await echoed(socket), 'hello', `${option}: ${scheme}`)
    }
  }
})

t.test('a Unix socket', async t => {
  const path = join(await temporaryFolder(t), 'app.sock')
  const server = createServer((_request, response) => response.end('over the socket'))
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', data => socket.send(String(data))))
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  for (const options of [{ upstream: `unix+http://${encodeURIComponent(path)}` }, { wsUpstream: `unix:${path}` }]) {
    const { url } = await proxyApp(t, { ...options, websocket: true })
    const { socket } = await tryHandshake(t, `${url}/a`)
    t.equal(await echoed(socket), 'hello')
    if ('upstream' in options) t.equal(await (await fetch(`${url}/a`)).text(), 'over the socket')
  }
})

t.test('replyOptions.getUpstream chooses for handshakes, too, where there is no upstream', async t => {
  const targets = { a: await watchedTarget(t), b: await watchedTarget(t) }
  let calls = 0
  const getUpstream = ({ headers }: FastifyRequest): string => {
    calls++
    return `${targets[headers['x-target'] as 'a'].url}/ignored`
  }
  for (const options of [{ upstream: '' }, {}, { wsUpstream: '' }]) {
    const { url } = await proxyApp(t, { ...options, websocket: true, prefix: '/shop', replyOptions: { getUpstream } })
    for (const name of ['a', 'b'] as const) {
      calls = 0
      const { status } = await tryHandshake(t, `${url}/shop/x`, [], { headers: { 'x-target': name } })
      t.equal(status, 101)
      t.equal(calls, 1)
      t.equal(targets[name].seen.at(-1)!.url, '/x')
    }
    t.equal((await tryHandshake(t, `${url}/shop/x`, [], { headers: { 'x-target': 'none' } })).status, 502, 'what it throws is not told the client')
  }
  const refusing = await proxyApp(t, { upstream: '', websocket: true, replyOptions: { getUpstream: () => { throw Object.assign(new Error('pay first'), { statusCode: 402 }) } } })
  const { status, body } = await tryHandshake(t, refusing.url)
  t.equal(status, 402, 'but an error with a status is')
  t.match(body, 'pay first')
  const { url } = await proxyApp(t, { upstream: targets.a.url, websocket: true, replyOptions: { getUpstream } })
  await tryHandshake(t, url, [], { headers: { 'x-target': 'b' } })
  t.equal(targets.a.seen.at(-1)!.url, '/', 'as in the original, upstream comes before it for handshakes')
})

t.test('TLS to the target', async t => {
  const authority = await selfSigned(t, 'IP:127.0.0.1')
  const target = await watchedTarget(t, authority)
  const good: Array<[string, object]> = [
    ['rejectUnauthorized: false', { rejectUnauthorized: false }],
    ['ca as text', { ca: authority.cert }],
    ['ca as a list of Buffers', { ca: [Buffer.from(authority.cert)] }]
  ]
  const fixed = (wsClientOptions: object) => ({ wsUpstream: target.url.replace('https', 'wss'), wsClientOptions })
  const chosen = (wsClientOptions: object) => ({ replyOptions: { getUpstream: () => target.url }, wsClientOptions })
  for (const options of [fixed, chosen]) {
    for (const [name, wsClientOptions] of good) {
      const { url } = await proxyApp(t, { websocket: true, ...options(wsClientOptions) })
      const { socket } = await tryHandshake(t, url)
      t.equal(await echoed(socket), 'hello', name)
    }
    for (const wsClientOptions of [{}, { ca: authority.cert, servername: 'other.test' }]) {
      const { url } = await proxyApp(t, { websocket: true, ...options(wsClientOptions) })
      t.equal((await tryHandshake(t, url)).status, 502, 'verified by default')
    }
  }
})

t.test('a certificate of the client, with its key as an object', async t => {
  const { cert, key } = await selfSigned(t, 'IP:127.0.0.1')
  const target = await watchedTarget(t, { cert, key })
  ;(target.server as unknown as { setSecureContext (options: object): void }).setSecureContext({ cert, key, ca: cert })
  const { url } = await proxyApp(t, { wsUpstream: target.url, websocket: true, wsClientOptions: { ca: cert, cert, key: [{ pem: Buffer.from(key) }] } })
  t.equal((await tryHandshake(t, url)).status, 101)
})

t.test('two registrations with TLS options at one prefix', async t => {
  const { cert, key } = await selfSigned(t, 'IP:127.0.0.1')
  const target = await watchedTarget(t, { cert, key })
  const options = (host: string) => ({ wsUpstream: target.url, websocket: true, constraints: { host }, wsClientOptions: { ca: cert } })
  const { app, url } = await proxyApp(t, [options('a.test'), options('b.test')], { gateway: true })
  for (const host of ['a.test', 'b.test']) t.equal((await tryHandshake(t, url, [], { headers: { host } })).status, 101, host)
  t.equal((await tryHandshake(t, url, [], { headers: { host: 'c.test' } })).status, 404)
  t.same(app.gateway.upstreams.list().map(({ name }) => name), [`127.0.0.1:${target.port} of /`, `127.0.0.1:${target.port} of / (2)`])
})

t.test('the headers of the handshake', async t => {
  const target = await watchedTarget(t)
  const sent = { cookie: 'a=1', authorization: 'Bearer x', origin: 'https://page.test', 'x-custom': 'client', 'user-agent': 'test' }
  const headersWith = async (options: object): Promise<Record<string, unknown>> => {
    const { url, port } = await proxyApp(t, { upstream: target.url, websocket: true, ...options })
    const { status } = await tryHandshake(t, url, ['one', 'two'], { headers: sent })
    t.equal(status, 101)
    const { headers } = target.seen.at(-1)!
    t.equal(headers['sec-websocket-protocol'], 'one,two', 'every subprotocol is offered')
    t.match(headers, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': `127.0.0.1:${port}` })
    return headers
  }
  const host = `127.0.0.1:${target.port}`
  t.match(await headersWith({}), { ...sent, host }, 'all of the client')
  t.match(await headersWith({ passthrough: { host: 'preserve' } }), { host: /^127\.0\.0\.1:(?!0)/ })
  t.not((await headersWith({ passthrough: { host: 'preserve' } })).host, host)
  t.match(await headersWith({ wsClientOptions: { headers: { 'X-Custom': 'ours', cookie: ['b=2', 'c=3'], 'x-number': 7 } } }), { ...sent, cookie: 'b=2; c=3', 'x-custom': 'ours', 'x-number': '7' }, 'with ours on top')
  t.match(await headersWith({ wsClientOptions: { headers: { host: 'app.test' } } }), { host: 'app.test' })
  t.match(await headersWith({ wsClientOptions: { origin: 'https://other.test', auth: 'me:secret' } }), { origin: 'https://other.test', authorization: `Basic ${Buffer.from('me:secret').toString('base64')}` })
  t.match(await headersWith({ wsClientOptions: { auth: 'me:secret', headers: { Authorization: 'Bearer y' } } }), { authorization: 'Bearer y' })
  const credentials = { authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}` }
  t.match(await headersWith({ wsUpstream: target.url.replace('//', '//me:p%40ss@') }), credentials, 'credentials in the URL')
  t.match(await headersWith({ upstream: '', replyOptions: { getUpstream: () => target.url.replace('//', '//me:p%40ss@') } }), credentials)

  const calls: unknown[][] = []
  const rewritten = await headersWith({
    wsClientOptions: {
      headers: { 'x-static': 'yes' },
      rewriteRequestHeaders: (...args: [Record<string, string>, FastifyRequest]) => {
        calls.push(args)
        return { ...args[0], 'X-Custom': `was ${String(args[1].headers['x-custom'])}`, 'x-list': ['a', 'b'], 'x-none': undefined, connection: 'close' }
      }
    }
  })
  t.match(rewritten, { host, 'x-static': 'yes', 'x-custom': 'was client', 'x-list': 'a, b', 'x-none': undefined, connection: 'Upgrade' })
  t.same(['cookie', 'authorization', 'origin', 'user-agent'].filter(name => name in rewritten), [], 'its result takes the place of the headers of the client')
  t.same(calls.map(([headers]) => headers), [{ 'x-static': 'yes' }])
  t.equal((await headersWith({ wsClientOptions: { rewriteRequestHeaders: () => ({ host: 'app.test' }) } })).host, 'app.test')

  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsClientOptions: { rewriteRequestHeaders: () => ({ 'x-bad': 'a\r\nb: c' }) } })
  t.equal((await tryHandshake(t, url)).status, 500, 'what no header may hold is not sent')
})

t.test('wsClientOptions.handshakeTimeout', async t => {
  const target = await rawTarget(t)
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsClientOptions: { handshakeTimeout: 100 } })
  t.equal((await tryHandshake(t, url)).status, 504)
})

t.test('maxPayload, by side', async t => {
  const target = await watchedTarget(t)
  for (const [options, tooLong] of [[{ wsServerOptions: { maxPayload: 10 } }, true], [{ wsClientOptions: { maxPayload: 10 } }, true], [{ wsServerOptions: { maxPayload: 0 } }, false]] as const) {
    const { url } = await proxyApp(t, { upstream: target.url, websocket: true, ...options })
    const { socket } = await tryHandshake(t, url)
    t.equal(await echoed(socket, '0123456789'), '0123456789')
    if (!tooLong) {
      t.equal(await echoed(socket, '0123456789a'), '0123456789a')
      continue
    }
    socket.send('0123456789a')
    t.match(await closed(socket), { code: 1009 })
  }
  target.sockets.on('connection', socket => socket.on('message', () => socket.send('0123456789ab')))
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsServerOptions: { maxPayload: 10 } })
  const { socket } = await tryHandshake(t, url)
  const messages: string[] = []
  socket.on('message', data => messages.push(String(data)))
  socket.send('x')
  while (messages.length < 2) await once(socket, 'message')
  t.ok(messages.includes('0123456789ab'), 'that of the client does not limit the target')
})

t.test('perMessageDeflate', async t => {
  const target = await watchedTarget(t, { server: { perMessageDeflate: true } })
  const extensionsWith = async (options: object): Promise<string> => {
    const { url } = await proxyApp(t, { upstream: target.url, websocket: true, ...options })
    const { socket, status } = await tryHandshake(t, url)
    t.equal(status, 101)
    await echoed(socket)
    return socket.extensions
  }
  t.equal(await extensionsWith({}), 'permessage-deflate', 'client and target agree on it')
  t.equal(await extensionsWith({ wsServerOptions: { perMessageDeflate: true }, wsClientOptions: { perMessageDeflate: {} } }), 'permessage-deflate')
  t.equal(await extensionsWith({ wsServerOptions: { perMessageDeflate: false } }), '')
  t.equal(await extensionsWith({ wsClientOptions: { perMessageDeflate: false } }), '')
})

t.test('closeTimeout', async t => {
  const target = await rawTarget(t)
  const { app, url } = await proxyApp(t, { upstream: target.url, websocket: true, wsServerOptions: { closeTimeout: 50 }, wsClientOptions: { closeTimeout: 100 } }, { gateway: true })
  const opening = tryHandshake(t, url)
  const wire = await target.next()
  wire.write(goodResponse(await wire.head()))
  const { socket } = await opening
  const before = performance.now()
  socket.close(1000)
  await closed(socket)
  t.ok(performance.now() - before < 3_000, 'a target that does not respond is not waited for by default')
  while (app.gateway.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
})

t.test('wsServerOptions.verifyClient and path', async t => {
  const target = await watchedTarget(t)
  const infos: Array<Record<string, unknown>> = []
  const statusWith = async (wsServerOptions: object, path = '/'): Promise<[number, string]> => {
    const { url } = await proxyApp(t, { upstream: target.url, websocket: true, wsServerOptions })
    t.equal((await fetch(url)).status, 200, 'requests are not asked about')
    const { status, body } = await tryHandshake(t, url + path, [], { origin: 'https://page.test' })
    return [status, body]
  }
  t.same(await statusWith({ verifyClient: (info: Record<string, unknown>) => { infos.push(info); return true } }), [101, ''])
  t.match(infos, [{ origin: 'https://page.test', secure: false, req: { url: '/' } }])
  const before = target.seen.length
  t.same(await statusWith({ verifyClient: () => false }), [401, 'Unauthorized'])
  t.same(await statusWith({ verifyClient: (_info: object, done: (...args: unknown[]) => void) => { setImmediate(done, false, 403, 'not you', { 'x-why': 'test' }) } }), [403, 'not you'])
  t.same((await statusWith({ verifyClient: () => { throw new Error('broken') } }))[0], 500)
  t.same((await statusWith({ path: '/chat' }, '/other'))[0], 400)
  t.equal(target.seen.length, before, 'the target is not asked')
  t.same((await statusWith({ path: '/chat' }, '/chat?x'))[0], 101)
  t.same((await statusWith({ verifyClient: (_info: object, done: (ok: boolean) => void) => done(true) }))[0], 101)
})

t.test('hooks of the registration decide before the target is asked', async t => {
  const target = await watchedTarget(t)
  const order: string[] = []
  const refuse = (name: string) => async (request: FastifyRequest, reply: FastifyReply) => {
    order.push(name)
    t.same(request.routeOptions.config, { ...request.routeOptions.config, mine: 'yes' })
    if (request.headers['x-refuse'] === name) return reply.code(403).send(name)
  }
  for (const hook of ['preHandler', 'beforeHandler']) {
    order.length = 0
    const { url } = await proxyApp(t, {
      upstream: target.url,
      websocket: true,
      [hook]: refuse(hook),
      preValidation: refuse('preValidation'),
      wsServerOptions: { verifyClient: () => order.push('verifyClient') },
      config: { mine: 'yes' }
    })
    t.equal((await tryHandshake(t, url)).status, 101)
    t.same(order, ['preValidation', hook, 'verifyClient'])
    const before = target.seen.length
    for (const name of ['preValidation', hook]) {
      const { status, body } = await tryHandshake(t, url, [], { headers: { 'x-refuse': name } })
      t.same([status, body], [403, name])
    }
    t.equal(target.seen.length, before)
  }
})

t.test('httpMethods, routes and the handler of requests', async t => {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    prefix: '/shop',
    httpMethods: ['GET'],
    routes: ['/chat'],
    handler: (_request: FastifyRequest, reply: FastifyReply, dest: string) => reply.send(`own ${dest}`)
  })
  t.equal((await tryHandshake(t, `${url}/shop/chat`)).status, 101)
  t.equal((await tryHandshake(t, `${url}/shop/other`)).status, 404)
  t.equal(await (await fetch(`${url}/shop/chat`)).text(), 'own /chat')
  t.equal((await fetch(`${url}/shop/chat`, { method: 'POST' })).status, 404)
})

t.test('reply.fromParameters, and params that a hook has changed', async t => {
  const target = await watchedTarget(t)
  const { url } = await proxyApp(t, {
    upstream: target.url,
    websocket: true,
    prefix: '/api/:tenant',
    rewritePrefix: '/:tenant',
    preHandler: async (request: FastifyRequest, reply: FastifyReply & { fromParameters (url: string, params: unknown, prefix: string): { url: string } }) => {
      reply.header('x-would-be', reply.fromParameters('/api/one/updated?x=1', { tenant: 'two' }, '/api/:tenant').url)
      ;(request.params as { tenant: string }).tenant = 'changed'
    }
  })
  const { headers } = await tryHandshake(t, `${url}/api/one/a`)
  t.equal(headers['x-would-be'], '/two/updated?x=1', 'headers that hooks set are in the 101')
  t.equal(target.seen[0]!.url, '/changed/a')
})

t.test('a refusal of the target is relayed, with its Location for the client', async t => {
  const backend = await httpBackend(t, () => {})
  backend.server.on('upgrade', (request, socket) => {
    const location = request.url === '/v1/away' ? 'https://away.test/v1/x' : '/v1/login'
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nSet-Cookie: a=1\r\nContent-Length: 4\r\nConnection: close\r\n\r\nGo!\n`)
  })
  const options = { upstream: backend.url, websocket: true, prefix: '/shop', rewritePrefix: '/v1' }
  const { url } = await proxyApp(t, options)
  t.match(await tryHandshake(t, `${url}/shop/a`), { status: 302, body: 'Go!\n', headers: { location: '/shop/login', 'set-cookie': ['a=1'] } })
  t.match(await tryHandshake(t, `${url}/shop/away`), { headers: { location: 'https://away.test/v1/x' } })
  const kept = await proxyApp(t, { ...options, internalRewriteLocationHeader: false })
  t.match(await tryHandshake(t, `${kept.url}/shop/a`), { headers: { location: '/v1/login' } })
})

t.test('options of the gateway', async t => {
  const target = await watchedTarget(t, { server: { handleProtocols: (offered: Set<string>) => [...offered].at(-1)! } })
  const { url } = await proxyApp(t, { upstream: target.url, websocket: true, passthrough: { origins: ['https://page.test'], protocols: ['one', 'two'], maxSessions: 1, idleTimeout: 60_000 } })
  t.equal((await tryHandshake(t, url, [], { origin: 'https://other.test' })).status, 403)
  const { status, socket } = await tryHandshake(t, url, ['one', 'two', 'three'], { origin: 'https://page.test' })
  t.equal(status, 101)
  await echoed(socket)
  t.equal(socket.protocol, 'two', 'what the target chose of those that are let through')
  t.equal((await tryHandshake(t, url)).status, 503)
})
