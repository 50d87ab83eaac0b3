import { Agent, get, request as httpRequest } from 'node:http'
import { EventEmitter, once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { connect as connectTls, type PeerCertificate } from 'node:tls'
import websocket from '@fastify/websocket'
import { fastify, type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createGateway, type CreateGatewayOptions, type GatewayServer } from '../../src/service/gateway.js'
import type { GatewayConfig } from '../../src/options/index.js'
import type { SessionEnd, WebSocketSession } from '../../src/types.js'
import { echoBackend, type Seen } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { rawTarget } from '../helpers/raw-target.js'
import { closed, nextMessage, openSocket, refusal } from '../helpers/sockets.js'
import { Wire } from '../helpers/wire.js'

interface Running { gateway: GatewayServer, url: string, port: number, config: GatewayConfig }

/** A gateway that listens on a free port, closed when the test is over. */
async function start (t: Test, given: GatewayConfig, options: CreateGatewayOptions = {}): Promise<Running> {
  const config = { listen: { port: 0 }, ...given }
  const gateway = await createGateway(config, { logger: false, ...options })
  t.teardown(() => gateway.close())
  const url = await gateway.listen()
  return { gateway, url, port: Number(new URL(url).port), config }
}

const status = async (url: string): Promise<number> => {
  const response = await fetch(url)
  await response.text()
  return response.status
}

t.test('a session whose route is unchanged goes on; others come and go', async t => {
  const { url: target } = await echoBackend(t)
  const app = { url: '/app', upstream: 'app', websocket: true }
  const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [target] } }, routes: [app] })
  const socket = await openSocket(`${url}/app`)
  t.equal(await status(`${url}/new`), 404)

  const added = await gateway.reload({ ...config, routes: [app, { url: '/new', upstream: target, websocket: true }] })
  t.same(added, { routes: { added: ['/new'], removed: [], changed: [] }, upstreams: { added: [], removed: [], changed: [] }, sessionsEnded: 0 })
  t.equal(await status(`${url}/new`), 200)
  const other = await openSocket(`${url}/new`)
  for (const one of [socket, other]) {
    const echo = nextMessage(one)
    one.send('still here')
    t.equal(await echo, 'still here')
  }

  const ended = closed(other)
  const removed = await gateway.reload({ ...config, drainSpread: 0 })
  t.match(removed, { routes: { removed: ['/new'] }, sessionsEnded: 1 })
  t.equal((await ended).code, 1012)
  t.equal(await status(`${url}/new`), 404)
  t.equal(gateway.app.gateway.sessions.size, 1)
  t.equal(gateway.config.drainSpread, 0)
})

t.test('a session goes on under the options that it began with, and its hooks still run', async t => {
  const { url: target } = await echoBackend(t)
  const users: unknown[] = []
  const setup = (app: FastifyInstance): void => {
    app.decorateRequest('user', '')
    app.addHook('onRequest', async request => { (request as unknown as { user: string }).user = 'ann' })
    app.proxy('/hooked', { upstream: target, websocket: { onSessionEnd: (session: WebSocketSession, end: SessionEnd) => { users.push((session.request as { user?: string }).user, end.code) } } })
  }
  const { gateway, url, config } = await start(t, { routes: [{ url: '/', upstream: target, websocket: { maxMessageSize: 100 } }] }, { setup })
  const [socket, hooked] = [await openSocket(url), await openSocket(`${url}/hooked`)]
  await gateway.reload({ ...config, routes: [{ url: '/', upstream: target, websocket: { maxMessageSize: 1 } }] })
  const echo = nextMessage(socket)
  socket.send('longer')
  t.equal(await echo, 'longer')
  const later = await openSocket(url)
  const ended = closed(later)
  later.send('longer')
  t.equal((await ended).code, 1009)
  const over = closed(hooked)
  hooked.close(4000)
  await over
  while (users.length === 0) await new Promise(resolve => setImmediate(resolve))
  t.same(users, ['ann', 4000])
})

t.test('a request ends with the generation that it began in, and nothing of it is closed before', async t => {
  const target = await rawTarget(t)
  const events: string[] = []
  let generation = 0
  const setup = (app: FastifyInstance): void => {
    const name = `generation ${++generation}`
    app.addHook('onSend', async (_request, reply) => { reply.header('x-generation', name) })
    app.addHook('onClose', async () => { events.push(`${name} closed`) })
  }
  const { gateway, port, config } = await start(t, { routes: [{ url: '/*', upstream: target.url }] }, { setup })
  const client = await Wire.connect(t, port)
  client.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  const server = await target.next()
  await server.head()
  await gateway.reload(config)
  t.same(events, [])
  // On the same connection, behind it.
  client.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const first = await client.head()
  t.same(first.headers.find(([name]) => name === 'x-generation'), ['x-generation', 'generation 1'])
  t.equal((await client.bytes(2)).toString(), 'ok')
  t.equal((await server.head()).start, 'GET /next HTTP/1.1', 'on the connection to the target that was kept alive')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.same((await client.head()).headers.find(([name]) => name === 'x-generation'), ['x-generation', 'generation 2'])
  while (events.length === 0) await new Promise(resolve => setImmediate(resolve))
  t.same(events, ['generation 1 closed'])
})

t.test('a request in an async hook is served by its own generation', async t => {
  const { url: target } = await echoBackend(t)
  let entered!: () => void
  const inHook = new Promise<void>(resolve => { entered = resolve })
  let release!: () => void
  const held = new Promise<void>(resolve => { release = resolve })
  const setup = (app: FastifyInstance): void => {
    app.addHook('preHandler', async request => {
      if (request.url !== '/held') return
      entered()
      await held
    })
  }
  const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [target] } }, routes: [{ url: '/*', upstream: 'app', websocket: true }] }, { setup })
  const response = fetch(`${url}/held`)
  const socket = openSocket(`${url}/held`)
  await inHook
  await gateway.reload({ ...config, drainSpread: 0, upstreams: {}, routes: [] })
  release()
  t.equal((await response).status, 200)
  t.equal((await closed(await socket)).code, 1012, 'its route is gone')
  t.equal(await status(`${url}/held`), 404)
})

t.test('a client that leaves behind a reload does not keep the generation', async t => {
  const target = await rawTarget(t)
  const closing = new EventEmitter()
  const setup = (app: FastifyInstance): void => { app.addHook('onClose', async () => { closing.emit('closed') }) }
  const { gateway, port, config } = await start(t, { routes: [{ url: '/*', upstream: target.url }] }, { setup })
  const client = await Wire.connect(t, port)
  client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3))
  await (await target.next()).head()
  await gateway.reload(config)
  const closedApp = once(closing, 'closed')
  client.reset()
  await closedApp
  t.pass('closed')
})

t.test('a configuration that is wrong in any way changes nothing', async t => {
  const { url: target } = await echoBackend(t)
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { taken.close() })
  let fail = false
  const setup = (): void => { if (fail) throw new Error('a plugin that throws') }
  const one = await selfSigned(t, 'IP:127.0.0.1')
  const other = await selfSigned(t, 'IP:127.0.0.1')
  const { gateway, url, config } = await start(t, { routes: [{ url: '/', upstream: target, websocket: true }] }, { setup })
  const { app } = gateway
  const socket = await openSocket(url)
  const wrong: Array<[GatewayConfig, { code?: string, message?: RegExp }]> = [
    [{ ...config, routes: 3 } as never, { code: 'SLUICE_CONFIG_INVALID', message: /^routes: / }],
    [{ ...config, routes: [{ url: '/', upstream: 'nobody' }] }, { code: 'SLUICE_CONFIG_INVALID', message: /^routes\.0\.upstream: / }],
    [{ ...config, upstreams: { a: { targets: ['ftp://a'] } } }, { code: 'SLUICE_CONFIG_INVALID', message: /^upstreams\.a\.targets\.0: / }],
    [{ ...config, routes: [{ url: '/', upstream: target, method: 'FETCH' }] }, { message: /^routes\.0: .*FETCH/ }],
    [{ ...config, trustProxy: 'nearby' }, { code: 'SLUICE_CONFIG_INVALID', message: /^trustProxy: / }],
    [{ ...config, listen: { port: (taken.address() as AddressInfo).port } }, { code: 'EADDRINUSE' }],
    [{ ...config, listen: { port: 0, tls: { cert: one.cert, key: other.key } } }, { code: 'SLUICE_CONFIG_INVALID', message: /^listen\.tls: / }]
  ]
  for (const [given, error] of wrong) await t.rejects(gateway.reload(given), error as never)
  fail = true
  await t.rejects(gateway.reload(config), { message: 'a plugin that throws' })
  t.equal(gateway.app, app)
  t.equal(gateway.config, config)
  t.equal(await status(url), 200)
  const echo = nextMessage(socket)
  socket.send('unharmed')
  t.equal(await echo, 'unharmed')
  fail = false
  await gateway.reload(config)
  t.not(gateway.app, app)
})

t.test('routes that were added to the app are not lost without a word', async t => {
  const { url: target } = await echoBackend(t)
  const config = { listen: { port: 0 } }
  const gateway = await createGateway(config, { logger: false })
  t.teardown(() => gateway.close())
  gateway.app.proxy('/added', { upstream: target })
  const url = await gateway.listen()
  await t.rejects(gateway.reload(config), { code: 'SLUICE_CONFIG_INVALID', message: /'setup'/ })
  t.equal(await status(`${url}/added`), 200)
})

t.test('routes and upstreams are added, replaced and removed while it runs', async t => {
  const [one, two] = [await echoBackend(t), await echoBackend(t)]
  const { gateway, url } = await start(t, {})
  const { routes, upstreams } = gateway
  const answered = async (path: string): Promise<string> => (await (await fetch(url + path)).json() as Seen).headers.host!
  t.equal(upstreams.get('app'), undefined)
  await upstreams.set('app', { targets: [one.url] })
  t.match(upstreams.get('app')!.targets, [{ url: one.url, requests: 0 }])
  await routes.add({ url: '/a', upstream: 'app', host: 'target' })
  t.equal(await answered('/a'), `127.0.0.1:${one.port}`)
  t.match(await upstreams.set('app', { targets: [two.url] }), { upstreams: { changed: ['app'] } })
  t.equal(await answered('/a'), `127.0.0.1:${two.port}`)
  await t.rejects(routes.add({ url: '/a', upstream: 'app' }), { code: 'SLUICE_CONFIG_INVALID', message: /served by routes\.0 already/ })
  await t.rejects(routes.add({ url: '/b', upstream: 'none' }), { code: 'SLUICE_CONFIG_INVALID' })
  await t.rejects(upstreams.remove('app'), { code: 'SLUICE_CONFIG_INVALID', message: /^routes\.0\.upstream: / })
  await t.rejects(upstreams.remove('none'), { message: /no upstream 'none'/ })
  await t.rejects(routes.remove('/none'), { message: /no route '\/none'/ })
  t.match(await routes.replace('/a', { url: ['/b', '/c'], upstream: 'app' }), { routes: { added: ['/b', '/c'], removed: ['/a'] } })
  t.same([await status(`${url}/a`), await status(`${url}/b`), await status(`${url}/c`)], [404, 200, 200])
  await routes.remove('/c')
  await upstreams.remove('app')
  t.same([await status(`${url}/b`), gateway.config.routes, gateway.config.upstreams], [404, [], {}])
})

t.test('changes at a time come into force one behind the other', async t => {
  const { url: target } = await echoBackend(t)
  const { gateway, url } = await start(t, {})
  const names = Array.from({ length: 20 }, (_, index) => `/r${index}`)
  await Promise.all(names.map(name => gateway.routes.add({ url: name, upstream: target })))
  for (const name of names) t.equal(await status(url + name), 200)
})

t.test('limits of sessions count those from before', async t => {
  const { url: target } = await echoBackend(t)
  const limited = (maxSessions: number): NonNullable<GatewayConfig['routes']> => [{ url: '/', upstream: target, websocket: { maxSessions } }]
  const { gateway, url, config } = await start(t, { routes: limited(2) })
  const first = await openSocket(url)
  await gateway.reload({ ...config, routes: limited(2) })
  await openSocket(url)
  t.equal((await refusal(url)).status, 503)
  const ended = closed(first)
  first.close()
  await ended
  while (gateway.app.gateway.sessions.size > 1) await new Promise(resolve => setImmediate(resolve))
  await openSocket(url)
  t.equal((await refusal(url)).status, 503)
})

t.test('a target that is being drained still is', async t => {
  const [one, two] = [await echoBackend(t), await echoBackend(t)]
  const { gateway, url, config } = await start(t, { upstreams: { app: { targets: [one.url, two.url] } }, routes: [{ url: '/', upstream: 'app', host: 'target', websocket: true }] })
  gateway.app.gateway.upstreams.get('app')!.setTarget(one.url, { state: 'drain' })
  const socket = await openSocket(url)
  await gateway.reload(config)
  const targets = gateway.app.gateway.upstreams.get('app')!.targets
  t.match(targets, [{ url: one.url, state: 'drain', sessions: 0 }, { url: two.url, state: 'ready', sessions: 1 }])
  for (let count = 0; count < 4; count++) t.match(await (await fetch(url)).json(), { headers: { host: `127.0.0.1:${two.port}` } })
  socket.terminate()
})

t.test('a WebSocket that the gateway terminates itself lives on, and with it the app that serves it', async t => {
  let closedApps = 0
  const closing = new EventEmitter()
  const setup = async (app: FastifyInstance): Promise<void> => {
    await app.register(websocket)
    app.addHook('onClose', async () => {
      closedApps++
      closing.emit('closed')
    })
    app.get('/own', { websocket: true }, socket => { socket.on('message', (data: Buffer) => socket.send(`own ${data}`)) })
  }
  const { gateway, url, config } = await start(t, {}, { setup })
  const socket = await openSocket(`${url}/own`)
  await gateway.reload(config)
  const [echo] = [nextMessage(socket)]
  socket.send('hello')
  t.equal(await echo, 'own hello')
  t.equal(closedApps, 0)
  const later = await openSocket(`${url}/own`)
  const closedApp = once(closing, 'closed')
  socket.close()
  await closedApp
  t.equal(later.readyState, later.OPEN)
  later.terminate()
})

t.test('another address is listened on before the one that there was is left', async t => {
  const target = await rawTarget(t)
  const { gateway, port, config } = await start(t, { routes: [{ url: '/*', upstream: target.url }] })
  const [busy, idle] = [await Wire.connect(t, port), await Wire.connect(t, port)]
  idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const first = await target.next()
  await first.head()
  busy.write('GET /busy HTTP/1.1\r\nHost: a\r\n\r\n')
  const second = await target.next()
  await second.head()
  first.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await idle.head()
  // ::1 may not be there, and the loopback network has more addresses than one.
  await gateway.reload({ ...config, listen: { host: '127.0.0.2', port: 0 } })
  await idle.over()
  const { address, port: next } = gateway.app.server.address() as AddressInfo
  t.equal(address, '127.0.0.2')
  await t.rejects(fetch(`http://127.0.0.1:${port}/`))
  const asked = fetch(`http://127.0.0.2:${next}/new`)
  t.equal((await first.head()).start, 'GET /new HTTP/1.1', 'on the connection that was kept alive')
  first.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal((await asked).status, 200)
  second.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone')
  t.equal((await busy.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await busy.bytes(4)).toString(), 'done')
  await busy.over()
})

t.test('limits of the listener hold for connections from then on', async t => {
  const { url: target } = await echoBackend(t)
  const { gateway, port, config } = await start(t, { listen: { port: 0, maxHeaderSize: 4096 }, routes: [{ url: '/*', upstream: target }] })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const long = (on?: Agent): Promise<number> => new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/', headers: { 'x-long': 'x'.repeat(6000) }, ...on !== undefined && { agent: on } }, response => {
      response.resume()
      resolve(response.statusCode!)
    }).on('error', reject)
  })
  t.equal(await long(), 431)
  await new Promise<void>((resolve, reject) => get({ port, host: '127.0.0.1', path: '/', agent }, response => response.resume().on('end', resolve)).on('error', reject))
  await gateway.reload({ ...config, listen: { port: 0, maxHeaderSize: 16_384, headersTimeout: 5000 } })
  t.equal(await long(), 200)
  t.equal(await long(agent), 431, 'a connection goes on under the limits that it began with')
})

t.test('certificates are read again at a reload, and when their files change', async t => {
  const { url: target } = await echoBackend(t)
  const changes = new EventEmitter()
  const inUse = once(changes, 'in use')
  const { log } = fastify({ logger: { stream: { write: (line: string) => { if (line.includes('have changed and are in use')) changes.emit('in use') } } } })
  const [one, two, three] = [await selfSigned(t, 'IP:127.0.0.1'), await selfSigned(t, 'IP:127.0.0.1'), await selfSigned(t, 'IP:127.0.0.1')]
  const { gateway, port, url, config } = await start(t, {
    listen: { port: 0, tls: { cert: one.certFile, key: one.keyFile } },
    routes: [{ url: '/*', upstream: target, websocket: true }]
  }, { logger: log })
  const shown = async (): Promise<string> => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const certificate: PeerCertificate = socket.getPeerCertificate()
    socket.destroy()
    return certificate.fingerprint256
  }
  const socket = await openSocket(url, [], { ca: one.cert })
  const first = await shown()
  await gateway.reload({ ...config, listen: { port: 0, tls: { cert: two.certFile, key: two.keyFile } } })
  const second = await shown()
  t.not(second, first)
  // A moment at which they do not belong together.
  copyFileSync(three.keyFile, two.keyFile)
  copyFileSync(three.certFile, two.certFile)
  await inUse
  const third = await shown()
  t.notOk([first, second].includes(third))
  const echo = nextMessage(socket)
  socket.send('unharmed')
  t.equal(await echo, 'unharmed')
  socket.terminate()
})

t.test('TLS can be switched on', async t => {
  const { url: target } = await echoBackend(t)
  const { cert, key } = await selfSigned(t, 'IP:127.0.0.1')
  const { gateway, port, url, config } = await start(t, { routes: [{ url: '/*', upstream: target, websocket: true }] })
  const before = await openSocket(url)
  await gateway.reload({ ...config, listen: { port: 0, tls: { cert, key } } })
  const socket = await openSocket(`wss://127.0.0.1:${port}/`, [], { ca: cert })
  for (const one of [before, socket]) {
    const echo = nextMessage(one)
    one.send('hello')
    t.equal(await echo, 'hello')
    one.terminate()
  }
})

t.test('a request for another protocol is given back to HTTP in each generation', async t => {
  const { url: target } = await echoBackend(t)
  const { gateway, port, config } = await start(t, { routes: [{ url: '/*', upstream: target, websocket: true }] })
  const ask = (): Promise<number> => new Promise((resolve, reject) => {
    httpRequest({ port, host: '127.0.0.1', path: '/', method: 'POST', headers: { connection: 'Upgrade', upgrade: 'h2c' } }, response => {
      response.resume()
      resolve(response.statusCode!)
    }).on('error', reject).end('body')
  })
  t.equal(await ask(), 200)
  await gateway.reload(config)
  t.equal(await ask(), 200)
})

t.test('what has begun on a connection goes on over a reload: a body, half a head, a half-closed client', async t => {
  const target = await rawTarget(t)
  const { gateway, port, config } = await start(t, { routes: [{ url: '/*', upstream: target.url }] })
  const [upload, head, idle, ended] = [await Wire.connect(t, port), await Wire.connect(t, port), await Wire.connect(t, port), await Wire.connect(t, port)]
  upload.write('POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
  const first = await target.next()
  await first.head()
  t.equal((await first.bytes(5)).toString(), 'hello')
  ended.write('GET /ended HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const second = await target.next()
  await second.head()
  head.write('GET /head HTTP/1.1\r\nHo')
  await gateway.reload({ ...config, routes: [{ url: '/head', upstream: target.url }, { url: '/idle', upstream: target.url }] })

  upload.write('world')
  t.equal((await first.bytes(5)).toString(), 'world')
  const respond = async (server: Wire, client: Wire): Promise<void> => {
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  }
  await respond(first, upload)
  await respond(second, ended)
  await ended.over()
  head.write('st: a\r\n\r\n')
  idle.write('GET /idle HTTP/1.1\r\nHost: a\r\n\r\n')
  for (const client of [head, idle]) {
    // Either of the two that were kept alive, or another one.
    const server = client === head ? second : first
    t.match((await server.head()).start, /^GET \/(head|idle) /)
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  }
  for (const client of [head, idle]) t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  upload.write('GET /upload HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal((await upload.head()).start, 'HTTP/1.1 404 Not Found', 'its next request belongs to the new generation')
})

t.test('a TLS handshake that is under way when the certificate changes comes to its end', async t => {
  const { url: target } = await echoBackend(t)
  const [one, two] = [await selfSigned(t, 'IP:127.0.0.1'), await selfSigned(t, 'IP:127.0.0.1')]
  const { gateway, port, config } = await start(t, { listen: { port: 0, tls: { cert: one.cert, key: one.key } }, routes: [{ url: '/*', upstream: target }] })
  const raw = connect(port, '127.0.0.1')
  await once(raw, 'connect')
  await gateway.reload({ ...config, listen: { port: 0, tls: { cert: two.cert, key: two.key } } })
  const secure = connectTls({ socket: raw, ca: [one.cert, two.cert], servername: '', checkServerIdentity: () => undefined })
  await once(secure, 'secureConnect')
  secure.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(String((await once(secure, 'data'))[0]), /^HTTP\/1\.1 200 /)
  secure.destroy()
})

t.test('a folder of plugins is run anew: what its modules keep stays, and onClose ends what it has begun', async t => {
  const plugins = t.testdir({
    'timer.mjs': `let loads = 0
      globalThis.endedTimers = 0
      export default async app => {
        const load = ++loads
        const timer = setInterval(() => {}, 60_000)
        app.addHook('onClose', async () => {
          clearInterval(timer)
          globalThis.endedTimers++
        })
        app.get('/plugin', () => ({ load, port: app.server.address().port }))
      }`
  })
  const ended = (): number => (globalThis as unknown as { endedTimers: number }).endedTimers
  const { gateway, url, port, config } = await start(t, {}, { plugins })
  t.same(await (await fetch(`${url}/plugin`)).json(), { load: 1, port })
  await gateway.reload(config)
  t.same(await (await fetch(`${url}/plugin`)).json(), { load: 2, port })
  while (ended() === 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(ended(), 1)
  await gateway.close()
  t.equal(ended(), 2)
})

t.test('a reload that is under way when the gateway closes is given up', async t => {
  let built!: () => void
  const building = new Promise<void>(resolve => { built = resolve })
  let release!: () => void
  const held = new Promise<void>(resolve => { release = resolve })
  let generation = 0
  const setup = async (): Promise<void> => {
    if (++generation === 1) return
    built()
    await held
  }
  const { gateway, config } = await start(t, {}, { setup })
  const reloaded = gateway.reload(config)
  await building
  const over = gateway.close()
  release()
  await t.rejects(reloaded, { code: 'SLUICE_CONFIG_INVALID', message: /stopping/ })
  await over
})

t.test('before it listens, too', async t => {
  const { url: target } = await echoBackend(t)
  const gateway = await createGateway({ listen: { port: 0 } }, { logger: false })
  t.teardown(() => gateway.close())
  await gateway.routes.add({ url: '/a', upstream: target })
  t.equal(await status(`${await gateway.listen()}/a`), 200)
})
