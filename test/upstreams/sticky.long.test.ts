import { createServer } from 'node:http'
import { once } from 'node:events'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import t from 'tap'
import { WebSocket } from 'ws'
import type { Test } from 'tap'
import { echoBackend, gatewayApp, listen } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { openSocket } from '../helpers/sockets.js'
import { ask } from '../helpers/ask.js'

const hosts = (backends: Array<{ url: string }>) => backends.map(({ url }) => new URL(url).host)

async function stickyApp (t: Test, sticky: object | true = true, count = 3) {
  const backends = await Promise.all(Array.from({ length: count }, () => echoBackend(t)))
  const app = await gatewayApp(t)
  app.upstream('my app', { targets: backends.map(({ url }) => url), sticky })
  app.proxy('/*', { upstream: 'my app', host: 'target', websocket: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  /** Which target served it, and the cookie that was set. */
  const get = async (cookie?: string): Promise<{ host: string, cookie: string | null }> => {
    const response = await fetch(`${url}/a`, { headers: cookie === undefined ? {} : { cookie } })
    const { headers } = await response.json() as { headers: { host: string } }
    return { host: headers.host, cookie: response.headers.get('set-cookie') }
  }
  return { app, url, get, backends, upstream: app.gateway.upstreams.get('my app')! }
}

const valueOf = (cookie: string): string => cookie.split(';', 1)[0]!

t.test('a client stays at its target, on both legs', async t => {
  const { url, get, backends } = await stickyApp(t)
  const first = await get()
  t.match(first.cookie, /^sluice_my_app=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
  t.notMatch(first.cookie, /127\.0\.0\.1|\d{5}/)
  const cookie = valueOf(first.cookie!)
  for (let count = 0; count < 6; count++) t.same(await get(`a=b; ${cookie}`), { host: first.host, cookie: null })
  t.equal(new Set([(await get()).host, (await get()).host, (await get()).host]).size, 3, 'others are spread')

  const [at] = backends.filter(({ url }) => new URL(url).host === first.host)
  for (let count = 0; count < 3; count++) {
    const arrived = once(at!.sockets, 'connection')
    const socket = await openSocket(url, [], { headers: { cookie } })
    await arrived
    socket.terminate()
  }
  // A WebSocket without one gets it with its 101.
  const socket = new WebSocket(url.replace('http', 'ws'))
  const opened = once(socket, 'open')
  const [response] = await once(socket, 'upgrade') as [{ headers: Record<string, string[]> }]
  t.match(response.headers['set-cookie']![0], /^sluice_my_app=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
  await opened
  const there = backends.find(({ sockets }) => sockets.clients.size === 1)!
  t.equal((await get(valueOf(response.headers['set-cookie']![0]!))).host, new URL(there.url).host)
  socket.terminate()
})

t.test('a cookie that is made up, or of another gateway, counts for nothing', async t => {
  const { get } = await stickyApp(t)
  const other = await stickyApp(t)
  const foreign = valueOf((await other.get()).cookie!)
  for (const cookie of [foreign, 'sluice_my_app=', 'sluice_my_app=ü', `sluice_my_app=${'x'.repeat(8_000)}`, 'sluice_my_app', 'xsluice_my_app=1']) {
    t.match(await get(encodeURI(cookie)), { cookie: /^sluice_my_app=/ }, cookie.slice(0, 30))
  }
})

t.test('gateways with one secret know each other\'s cookies; the attributes are options', async t => {
  const backends = [await echoBackend(t), await echoBackend(t)]
  const gateways = await Promise.all([0, 1].map(async () => {
    const app = await gatewayApp(t, { trustProxy: true })
    app.upstream('app', {
      targets: backends.map(({ url }) => url),
      sticky: { secret: 'a secret of some length', cookie: 'at', path: '/shop', maxAge: 60, sameSite: 'Strict' }
    })
    app.upstream('none', { targets: backends.map(({ url }) => url), sticky: { sameSite: 'None' } })
    app.upstream('plain', { targets: backends.map(({ url }) => url), sticky: { secure: false } })
    app.proxy('/*', { upstream: 'app', host: 'target' })
    app.proxy('/none', { upstream: 'none' })
    app.proxy('/plain', { upstream: 'plain' })
    return app
  }))
  const responses = async (cookie: string) => Promise.all(gateways.map(async app => {
    const response = await app.inject({ url: '/', headers: { cookie } })
    return { host: response.json().headers.host as string, cookie: response.headers['set-cookie'] as string | undefined }
  }))
  const [{ host, cookie }] = await responses('') as [{ host: string, cookie: string }]
  t.match(cookie, /^at=[\w-]{43}; Path=\/shop; Max-Age=60; HttpOnly; SameSite=Strict$/)
  for (let count = 0; count < 3; count++) t.same(await responses(valueOf(cookie)), [{ host, cookie: undefined }, { host, cookie: undefined }])
  const secure = { 'x-forwarded-proto': 'https' }
  t.match((await gateways[0]!.inject({ url: '/', headers: secure })).headers['set-cookie'], /SameSite=Strict; Secure$/)
  t.match((await gateways[0]!.inject({ url: '/none' })).headers['set-cookie'], /SameSite=None; Secure$/)
  t.match((await gateways[0]!.inject({ url: '/plain', headers: secure })).headers['set-cookie'], /SameSite=Lax$/)
})

t.test('a draining target serves its own clients; one in maintenance, or gone, is left', async t => {
  const { get, upstream, backends } = await stickyApp(t)
  const first = await get()
  const cookie = valueOf(first.cookie!)
  const url = `http://${first.host}`
  upstream.setTarget(url, { state: 'drain' })
  t.same(await get(cookie), { host: first.host, cookie: null })
  for (let count = 0; count < 6; count++) t.not((await get()).host, first.host)
  upstream.setTarget(url, { state: 'maintenance' })
  const next = await get(cookie)
  t.not(next.host, first.host)
  t.match(next.cookie, /^sluice_my_app=/)
  upstream.setTarget(url, { state: 'ready' })
  t.same(await get(cookie), { host: first.host, cookie: null })
  upstream.setTargets(backends.map(({ url }) => url).filter(one => one !== url))
  t.not((await get(cookie)).host, first.host)
})

t.test('a dead target is left, and the cookie set anew', async t => {
  const { get, backends } = await stickyApp(t)
  const first = await get()
  const dead = backends[hosts(backends).indexOf(first.host)]!
  dead.server.closeAllConnections()
  await new Promise(resolve => dead.server.close(resolve))
  const next = await get(valueOf(first.cookie!))
  t.not(next.host, first.host)
  t.match(next.cookie, /^sluice_my_app=/)
  t.same(await get(valueOf(next.cookie!)), { host: next.host, cookie: null })
})

t.test('the cookies of the target stay', async t => {
  const { url } = await listen(t, createServer((_request, response) => response.setHeader('Set-Cookie', ['a=1', 'b=2']).end()))
  const gateway = await startGateway(t, { targets: [url], upstream: { sticky: { cookie: 'c' } } })
  const { headers } = await ask(`http://127.0.0.1:${gateway.port}/`)
  t.match(headers['set-cookie'], ['a=1', 'b=2', /^c=/])
})

const CLIENTS = 500
/** At a time. */
const MANY = 50

t.test('socket.io with its default transports over two targets: no client of 500 fails', async t => {
  const rooms = await Promise.all([0, 1].map(async name => {
    const server = createServer()
    const sockets = new Server(server)
    sockets.on('connection', socket => socket.on('echo', (text: string, callback: (reply: string) => void) => callback(`${text} at ${name}`)))
    t.teardown(() => sockets.close())
    return listen(t, server)
  }))
  const app = await gatewayApp(t)
  app.upstream('app', { targets: rooms.map(({ url }) => url), sticky: true })
  app.proxy('/socket.io/*', { upstream: 'app', websocket: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const replies: string[] = []
  const errors: unknown[] = []
  let upgraded = 0
  const one = async (index: number): Promise<void> => {
    // A browser keeps cookies; the client in Node does where it is asked to.
    const socket = io(url, { forceNew: true, reconnection: false, withCredentials: true })
    try {
      socket.once('connect_error', error => errors.push(error))
      await once(socket as never, 'connect')
      const { engine } = socket.io
      if (engine.transport.name !== 'websocket') await once(engine as never, 'upgrade')
      upgraded++
      replies.push(await socket.timeout(10_000).emitWithAck('echo', String(index)) as string)
    } finally {
      socket.disconnect()
    }
  }
  let next = 0
  await Promise.all(Array.from({ length: MANY }, async () => {
    while (next < CLIENTS) await one(next++).catch(error => errors.push(error))
  }))
  t.same(errors, [])
  t.equal(upgraded, CLIENTS)
  t.equal(replies.length, CLIENTS)
  for (const name of [0, 1]) t.ok(replies.filter(reply => reply.endsWith(`at ${name}`)).length > CLIENTS / 4)
})
