import t from 'tap'
import { openSession, startGateway, type RunningGateway } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf, type Head, type Teardown } from '../helpers/wire.js'

async function start (t: Teardown): Promise<{ gateway: RunningGateway, target: RawTarget, client: Wire }> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  return { target, gateway, client: await Wire.connect(t, gateway.port) }
}

const H2C = ['Host: gateway.test', 'Connection: Upgrade, HTTP2-Settings, X-Nominated', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__', 'X-Nominated: 1', 'X-Kept: 1']
const NOT_SENT_ON = ['connection', 'upgrade', 'http2-settings', 'x-nominated']

function passedOn (head: Head): string[] {
  // Connection: keep-alive is our own word on this hop.
  return head.headers.filter(([name, value]) => NOT_SENT_ON.includes(name.toLowerCase()) && !(name.toLowerCase() === 'connection' && value === 'keep-alive')).map(([name]) => name.toLowerCase())
}

t.test('an upgrade to h2c is served as plain HTTP', async t => {
  const { target, client } = await start(t)
  client.write(['GET /plain HTTP/1.1', ...H2C, '', ''].join('\r\n'))
  const server = await target.next()
  const head = await server.head()
  t.equal(head.start, 'GET /plain HTTP/1.1')
  t.same(passedOn(head), [])
  t.same(valuesOf(head, 'x-kept'), ['1'])
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(2)).toString(), 'hi')

  client.write('GET /next HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
  t.equal((await server.head()).start, 'GET /next HTTP/1.1', 'and the connection lives on')
})

for (const [kind, line, body] of [
  ['with a length', 'Content-Length: 10', '0123456789'],
  ['chunked', 'Transfer-Encoding: chunked', 'a\r\n0123456789\r\n0\r\n\r\n']
] as const) {
  for (const together of [true, false]) {
    t.test(`an upgrade to h2c with a body ${kind}, ${together ? 'in one packet' : 'that comes later'}`, async t => {
      const { target, client } = await start(t)
      const head = ['POST /plain HTTP/1.1', ...H2C, line, '', ''].join('\r\n')
      client.write(together ? head + body : head)
      const server = await target.next()
      if (!together) client.write(body)
      const seen = await server.head()
      t.equal(seen.start, 'POST /plain HTTP/1.1')
      t.same(passedOn(seen), [])
      // How it is framed on this hop is the HTTP leg's business.
      if (valuesOf(seen, 'transfer-encoding').length > 0) await server.bytes(3)
      t.equal((await server.bytes(10)).toString(), '0123456789')
      server.write('HTTP/1.1 204 No Content\r\n\r\n')
      t.equal((await client.head()).start, 'HTTP/1.1 204 No Content')
    })
  }
}

t.test('an upgrade to something that nobody speaks is plain HTTP too', async t => {
  const { target, client } = await start(t)
  client.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo/2\r\n\r\n')
  const server = await target.next()
  t.same(passedOn(await server.head()), [])
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('a route without websocket ignores Upgrade', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: false } })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  t.same(passedOn(await server.head()), [])
  server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${2 << 20}\r\n\r\n`).write(Buffer.alloc(2 << 20, 'x'))
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.rest()).length, 2 << 20)
})

t.test('a handshake for a handler of the app is answered as a plain request', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], setup: app => { app.get('/own', async () => 'own') } })
  const answer = await exchange(t, gateway.port, handshake({ path: '/own' }))
  t.equal(answer.status, 200)
  t.equal(answer.body, 'own')
})

const GARBAGE: Record<string, string | Buffer> = {
  'no HTTP at all': 'hello there\r\n\r\n',
  'a TLS greeting': Buffer.from('16030100c8010000c40303', 'hex'),
  'frames without a handshake': Buffer.concat([Buffer.from([0x81, 0x85, 1, 2, 3, 4]), Buffer.alloc(50, 'x')]),
  'a bad header line': 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n : x\r\n\r\n',
  'a header with a null': 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: a\0b\r\n\r\n',
  'two lengths': handshake({ lines: ['Content-Length: 1', 'Content-Length: 2'] }),
  'a head of 100 KB': handshake({ lines: [`X-Long: ${'x'.repeat(100_000)}`] }),
  'HTTP/2 at once': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
}

for (const [name, bytes] of Object.entries(GARBAGE)) {
  t.test(`garbage, ${name}: a 4xx, and the process serves on`, async t => {
    const { gateway, target } = await start(t)
    const answer = await exchange(t, gateway.port, bytes)
    t.match(answer.start, /^HTTP\/1.1 4\d\d /)
    t.equal(target.connections, 0)
    t.match((await openSession(t, { on: { gateway, target } })).answer.start, / 101 /)
  })
}

/** Odd, but parsed by Node: the gateway must not choke on what it makes of them. */
const ODD: Record<string, [request: string, status: number]> = {
  'an absolute form with credentials': [handshake({ path: 'http://user@other.test/ws' }), 400],
  'an asterisk': [handshake({ path: '*' }), 400],
  'a path with dot segments': [handshake({ path: '/a/%2e%2e/b' }), 400],
  'a malformed escape': [handshake({ path: '/%zz' }), 400],
  'a tab in the path': [handshake({ path: '/a\tb' }), 400],
  'a folded Connection': [handshake({ headers: { Connection: 'upgrade\r\n x' } }), 400],
  'a folded Connection in a POST': [handshake({ start: 'POST /ws HTTP/1.1', headers: { Connection: 'upgrade\r\n x' } }), 400],
  'a folded header that looks like another': [handshake({ start: 'POST /ws HTTP/1.1', lines: ['X: a\r\n Content-Length: 5'] }), 400]
}

for (const [name, [request, status]] of Object.entries(ODD)) {
  t.test(`${name}: ${status}`, async t => {
    const { gateway, target } = await start(t)
    t.equal((await exchange(t, gateway.port, request)).status, status)
    t.equal(target.connections, 0)
    t.match((await openSession(t, { on: { gateway, target } })).answer.start, / 101 /)
  })
}

t.test('a request behind more headers than Node lists keeps its body', async t => {
  const { gateway, target } = await start(t)
  const many = Array.from({ length: 1100 }, (_, index) => `a${index % 10}:`)
  const answer = await exchange(t, gateway.port, `${handshake({ lines: [...many, 'Content-Length: 48'] })}GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Pad: 012345\r\n\r\n`)
  t.equal(answer.status, 400)
  t.equal(target.connections, 0)
})
