import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import sluice from '../../src/index.js'
import { httpBackend } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'
import { Wire, frame, masked, valuesOf } from '../helpers/wire.js'

// Issue 8, item 32

interface Started { app: FastifyInstance, target: RawTarget, client: Wire }

type Setup = (app: FastifyInstance) => void

/** How clients reach a gateway. */
const LISTENERS: Record<string, (t: Test, target: RawTarget, setup: Setup) => Promise<{ app: FastifyInstance, socket: Socket }>> = {
  TCP: async (t, target, setup) => {
    const { app, port } = await startGateway(t, { targets: [target.url], setup })
    return { app, socket: connect({ port, host: '127.0.0.1', allowHalfOpen: true }) }
  },
  TLS: async (t, target, setup) => {
    const { key, cert } = await selfSigned(t, 'IP:127.0.0.1')
    const { app, port } = await startGateway(t, { targets: [target.url], setup, fastify: { https: { key, cert } } as never })
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    return { app, socket }
  },
  'a Unix socket': async (t, target, setup) => {
    const path = join(await temporaryFolder(t), 'socket')
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(sluice)
    setup(app)
    app.proxy('/*', { upstream: target.url, websocket: { closeTimeout: 200 } })
    await app.listen({ path })
    return { app, socket: connect({ path, allowHalfOpen: true }) }
  }
}

/** @param before What a route of the app waits for before it gives back its path. */
async function start (t: Test, listener = 'TCP', before: (path: string) => Promise<void> = async () => {}): Promise<Started> {
  const target = await rawTarget(t)
  const { app, socket } = await LISTENERS[listener]!(t, target, app => app.get('/own/*', async request => {
    const path = request.url.slice('/own'.length)
    await before(path)
    return path
  }))
  await once(socket, listener === 'TLS' ? 'secureConnect' : 'connect')
  return { app, target, client: new Wire(t, socket) }
}

const get = (path: string, lines: string[] = []): string => [`GET ${path} HTTP/1.1`, 'Host: gateway.test', ...lines, '', ''].join('\r\n')

/** Reads a request at the target and answers it. */
async function serve (server: Wire, path: string): Promise<void> {
  const { start } = await server.head()
  if (start.split(' ')[1] !== path) throw new Error(`expected ${path}, got ${start}`)
  server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
}

/** Reads that response at the client. */
async function served (t: Test, client: Wire, path: string): Promise<void> {
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(path.length)).toString(), path)
}

/** A handshake that a target accepts, and a frame each way. */
async function opens (t: Test, { client, target }: Started, early = ''): Promise<void> {
  const server = await target.next()
  const head = await server.head()
  t.match(head.start, 'GET /ws ')
  server.write(goodResponse(head))
  t.match((await client.head()).start, ' 101 ')
  if (early !== '') t.equal((await server.frame()).payload.toString(), early)
  client.write(masked(0x81, 'up'))
  t.equal((await server.frame()).payload.toString(), 'up')
  server.write(frame(0x81, 'down'))
  t.equal((await client.frame()).payload.toString(), 'down')
  client.socket.destroy()
}

for (const listener of Object.keys(LISTENERS)) {
  t.test(`over ${listener}: a GET and a handshake in one packet`, async t => {
    const started = await start(t, listener)
    const { client, target } = started
    client.write(Buffer.concat([Buffer.from(get('/one') + handshake()), masked(0x81, 'early')]))
    const server = await target.next()
    t.equal(target.connections, 1, 'the handshake waits')
    await serve(server, '/one')
    await served(t, client, '/one')
    await opens(t, started, 'early')
  })

  t.test(`over ${listener}: several GETs, the first one slow, and a handshake`, async t => {
    const started = await start(t, listener, async path => {
      if (path === '/slow') await new Promise(resolve => setTimeout(resolve, 50))
    })
    const { client } = started
    client.write(get('/own/slow') + get('/own/two') + get('/own/three') + handshake())
    for (const path of ['/slow', '/two', '/three']) await served(t, client, path)
    await opens(t, started)
  })

  t.test(`over ${listener}: a POST that is read slowly, a long response, and a handshake with frames`, async t => {
    const started = await start(t, listener)
    const { client, target } = started
    const body = Buffer.alloc(40_000, 'b')
    client.socket.pause()
    client.write(Buffer.concat([Buffer.from(`POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`), body, Buffer.from(handshake()), masked(0x81, 'early')]))
    const server = await target.next()
    await server.head()
    t.same(await server.bytes(body.length), body)
    client.write(masked(0x81, 'later'))
    const answer = Buffer.alloc(8 << 20, 'a')
    server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n`).write(answer)
    client.socket.resume()
    t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
    t.ok((await client.bytes(answer.length)).equals(answer))
    const session = await target.next()
    session.write(goodResponse(await session.head()))
    t.match((await client.head()).start, ' 101 ')
    t.equal((await session.frame()).payload.toString(), 'early')
    t.equal((await session.frame()).payload.toString(), 'later')
    client.socket.destroy()
  })

  t.test(`over ${listener}: a handshake that is refused, behind a GET`, async t => {
    const { client, target } = await start(t, listener)
    client.write(get('/one') + handshake({ headers: { 'Sec-WebSocket-Key': 'x' } }))
    await serve(await target.next(), '/one')
    await served(t, client, '/one')
    t.match((await client.head()).start, ' 400 ')
    t.match(await client.rest(), /SLUICE_HANDSHAKE_INVALID/)
  })

  t.test(`over ${listener}: garbage behind a GET and a handshake goes nowhere before the 101`, async t => {
    const { client, target } = await start(t, listener)
    client.write(get('/one') + handshake() + get('/hidden'))
    await serve(await target.next(), '/one')
    await served(t, client, '/one')
    const server = await target.next()
    await server.head()
    t.equal(server.length, 0)
    server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    t.match((await client.head()).start, ' 403 ')
    t.equal(await client.rest(), '')
    client.end()
    t.equal(await server.rest(), '')
    t.equal(target.connections, 2)
  })

  t.test(`over ${listener}: a handshake behind a GET that is the last of its connection`, async t => {
    const { client, target } = await start(t, listener)
    client.write(get('/one', ['Connection: close']) + handshake())
    await serve(await target.next(), '/one')
    const { start: line, headers } = await client.head()
    t.equal(line, 'HTTP/1.1 200 OK')
    t.same(valuesOf({ start: line, headers }, 'connection'), ['close'])
    t.equal(await client.rest(), '/one', 'the response is whole, and nothing comes behind it')
    t.equal(target.connections, 1)
  })

  t.test(`over ${listener}: a client that leaves while its handshake waits`, async t => {
    const { app, client, target } = await start(t, listener)
    client.write(get('/one') + handshake())
    const server = await target.next()
    await server.head()
    client.socket.destroy()
    await server.over()
    server.end()
    t.equal(target.connections, 1, 'the handshake is not made')
    t.equal(app.gateway.sessions.size, 0)
  })
}

t.test('requests before, at and behind an upgrade to another protocol, in one packet', async t => {
  const backend = await httpBackend(t, (request, response) => { response.setHeader('Content-Length', request.url!.length).end(request.url) })
  const { port } = await startGateway(t, { targets: [backend.url] })
  const client = await Wire.connect(t, port)
  const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']
  client.write(get('/one') + get('/two', h2c) + get('/three', h2c) + get('/four'))
  for (const path of ['/one', '/two', '/three', '/four']) await served(t, client, path)
})

t.test('what comes in one packet behind an upgrade to another protocol with a body is served, or the client is told that it is not', async t => {
  const { app, client, target } = await start(t)
  client.write('POST /one HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody' + get('/two'))
  const server = await target.next()
  await server.head()
  t.equal((await server.bytes(4)).toString(), 'body')
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n/one')
  if ('shouldUpgradeCallback' in app.server) {
    const head = await client.head()
    t.same(valuesOf(head, 'connection'), ['close'])
    t.equal(await client.rest(), '/one')
  } else {
    await served(t, client, '/one')
    await serve(server, '/two')
    await served(t, client, '/two')
  }
})

t.test('a gateway that closes refuses a handshake that waits, behind the response before it', async t => {
  const { app, client, target } = await start(t)
  client.write(get('/one') + handshake())
  const server = await target.next()
  const closed = app.close()
  await once(app.server, 'close', { signal: AbortSignal.timeout(50) }).catch(() => {})
  await serve(server, '/one')
  await served(t, client, '/one').catch(() => {})
  t.match(await client.rest(), /^$| 503 /)
  client.end()
  await closed
})
