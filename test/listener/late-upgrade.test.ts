import { once } from 'node:events'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { checkEnd, openSession, startGateway, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, closing, frame, masked, valuesOf } from '../helpers/wire.js'

// Issue 8, item 5: what nginx passes without `upgrade` in Connection, where Node's parser sees no upgrade.

const LENIENT = { websocket: { strict: false, closeTimeout: 200 } }
const WITHOUT = [{ Connection: '' }, { Connection: 'keep-alive' }, { Connection: '"Upgrade"' }, { Upgrade: '"websocket"' }, { Upgrade: 'websocket/13' }]

async function closed ({ client, server }: { client: Wire, server: Wire }): Promise<void> {
  client.write(masked(0x88, closing(1000)))
  t.equal(await server.close(), '1000')
  server.write(frame(0x88, closing(1000))).end()
  t.equal(await client.close(), '1000')
  client.end()
}

/** A late handshake that its target has got and not responded to. */
async function waiting (t: Test): Promise<{ gateway: RunningGateway, client: Wire, server: Wire }> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: LENIENT })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ headers: { Connection: 'keep-alive' } }))
  const server = await target.next()
  await server.head()
  return { gateway, client, server }
}

for (const headers of WITHOUT) {
  t.test(`a session is opened, with the hooks run once: ${JSON.stringify(headers)}`, async t => {
    const hooks: string[] = []
    const session = await openSession(t, {
      headers: headers as Record<string, string>,
      route: LENIENT,
      setup: app => {
        app.addHook('onRequest', async () => { hooks.push('onRequest') })
        app.addHook('onResponse', async (_request, reply) => { hooks.push(`onResponse ${reply.statusCode}`) })
      }
    })
    t.match(session.answer.start, /^HTTP\/1\.1 101 /)
    t.strictSame(valuesOf(session.request, 'connection'), ['Upgrade'])
    t.strictSame(valuesOf(session.request, 'upgrade'), ['websocket'])
    for (let count = 0; count < 3; count++) {
      session.client.write(masked(0x81, `up ${count}`))
      t.equal((await session.server.frame()).payload.toString(), `up ${count}`)
      session.server.write(frame(0x81, Buffer.alloc(200_000, count)))
      t.equal((await session.client.frame()).payload.length, 200_000)
    }
    await closed(session)
    await checkEnd(t, session, { by: 'client', reason: 'close', code: 1000 })
    t.strictSame(hooks, ['onRequest', 'onResponse 101'])
  })
}

t.test('a strict route refuses it', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake({ headers: { Connection: 'keep-alive' } }))
  t.match((await client.head()).start, / 400 /)
  t.equal(target.connections, 0)
})

t.test('over TLS, on a connection that was used before', async t => {
  const { key, cert } = await selfSigned(t, 'IP:127.0.0.1')
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: LENIENT, fastify: { https: { key, cert } } as object })
  const socket = connect({ port: gateway.port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const client = new Wire(t, socket)
  client.write('GET /plain HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
  const plain = await target.next()
  await plain.head()
  plain.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.match((await client.head()).start, / 200 /)
  t.equal((await client.bytes(2)).toString(), 'ok')
  client.write(handshake({ headers: { Connection: 'keep-alive' } }))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  t.match((await client.head()).start, / 101 /)
  client.write(masked(0x81, 'up'))
  t.equal((await server.frame()).payload.toString(), 'up')
  server.write(frame(0x81, 'down'))
  t.equal((await client.frame()).payload.toString(), 'down')
  await closed({ client, server })
  await gateway.ended()
})

t.test('a refusal of the target reaches the client, whose connection ends behind it', async t => {
  const { gateway, client, server } = await waiting(t)
  server.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\nsecret')
  t.match((await client.head()).start, / 401 /)
  t.equal(await client.rest(), 'secret')
  client.end()
  await gateway.idle()
})

t.test('a client that leaves meanwhile ends the handshake with the target', async t => {
  const { gateway, client, server } = await waiting(t)
  client.reset()
  await server.over()
  server.end()
  await gateway.idle()
  t.equal(gateway.ends.length, 0)
})

for (const way of ['drain', 'close'] as const) {
  t.test(`${way}() ends such a session as any other`, async t => {
    const session = await openSession(t, { headers: { Connection: 'keep-alive' }, route: LENIENT })
    const { app } = session.gateway
    const drained = way === 'drain' ? app.gateway.drain() : app.close()
    t.equal(await session.client.close(), '1012')
    t.equal(await session.server.close(), '1012')
    session.client.write(masked(0x88, closing(1012))).end()
    session.server.write(frame(0x88, closing(1012))).end()
    await drained
    await checkEnd(t, session, { by: 'gateway', reason: 'drain', code: 1012 })
  })
}

/** What a client sends behind its request, of which nothing may become frames, or reach the target. */
const BEHIND: Record<string, [behind: string | Buffer, answer: RegExp, headers?: Record<string, string>]> = {
  'another request': ['GET /behind HTTP/1.1\r\nHost: gateway.test\r\n\r\n', /^HTTP\/1\.1 400 /],
  'another request with a body': ['POST /behind HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 1000\r\n\r\n', /^HTTP\/1\.1 400 /],
  'the beginning of a request line': ['GET /beh', /^$/],
  'the beginning of a head': ['GET /behind HTTP/1.1\r\nHost: gateway.test\r\nX: ', /^$/],
  'the beginning of a head that announces a body': ['POST /behind HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 500\r\nX: ', /^$/],
  'an empty line': ['\r\n', /^HTTP\/1\.1 101 /],
  'a frame': [masked(0x81, 'early'), /^HTTP\/1\.1 400 /],
  'nothing, where Connection says close': ['', /^HTTP\/1\.1 400 /, { Connection: 'close' }],
  'a body that is announced': ['hello', /^HTTP\/1\.1 400 /, { Connection: 'keep-alive', 'Content-Length': '5' }],
  'a chunked body': ['5\r\nhello\r\n0\r\n\r\n', /^HTTP\/1\.1 400 /, { Connection: 'keep-alive', 'Transfer-Encoding': 'chunked' }]
}

async function behind (t: Test, port: number, headers: Record<string, string>, data: string | Buffer): Promise<string> {
  const client = await Wire.connect(t, port)
  client.write(Buffer.concat([Buffer.from(handshake({ headers })), Buffer.from(data as string)]))
  await client.some()
  client.end()
  return client.length === 0 ? '' : (await client.head()).start
}

for (const [name, [data, expected, headers = { Connection: 'keep-alive' }]] of Object.entries(BEHIND)) {
  t.test(`behind the request: ${name}`, async t => {
    const target = await rawTarget(t)
    const paths: string[] = []
    target.server.on('connection', socket => socket.on('data', (chunk: Buffer) => {
      const head = chunk.toString('latin1')
      paths.push(head.split(' ')[1]!)
      const key = /^sec-websocket-key: *(.*?)\r$/im.exec(head)?.[1] ?? ''
      socket.write(goodResponse({ start: '', headers: [['Sec-WebSocket-Key', key]] }))
    }))
    const gateway = await startGateway(t, { targets: [target.url], route: LENIENT })
    t.match(await behind(t, gateway.port, headers, data), expected)
    await gateway.idle()
    if (expected.test('HTTP/1.1 101 ')) await gateway.ended()
    t.notOk(paths.some(path => path !== '/ws'), paths.join())
    t.equal(gateway.ends.length, expected.test('HTTP/1.1 101 ') ? 1 : 0, 'sessions')
  })
}

t.test('a session over TLS is not taken for a connection that waits for its next request', async t => {
  const { key, cert } = await selfSigned(t, 'IP:127.0.0.1')
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: LENIENT, fastify: { https: { key, cert }, keepAliveTimeout: 50 } as never })
  const timeouts: number[] = []
  gateway.app.server.on('secureConnection', socket => {
    const { setTimeout } = socket
    socket.setTimeout = (milliseconds: number, callback?: () => void) => {
      timeouts.push(milliseconds)
      return setTimeout.call(socket, milliseconds, callback)
    }
  })
  const socket = connect({ port: gateway.port, ca: cert, host: '127.0.0.1' })
  const client = new Wire(t, socket as never)
  await once(socket, 'secureConnect')
  client.write(handshake({ headers: { Connection: 'keep-alive' } }))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  await client.head()
  client.write(masked(0x81, 'x'))
  await server.frame()
  t.equal(timeouts.at(-1), 0, 'no timeout is set behind that of the session')
  await closed({ client, server })
})
