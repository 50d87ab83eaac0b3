import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import type { ListenOptions, RouteConfig } from '../../src/options/index.js'
import { createGateway } from '../../src/service/gateway.js'
import { echoBackend, httpBackend } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf } from '../helpers/wire.js'

/** A gateway with one route for everything; gives its port. */
async function gateway (t: Test, target: string, listen: ListenOptions, route: Partial<RouteConfig> = {}): Promise<number> {
  const created = await createGateway({ listen: { port: 0, ...listen }, routes: [{ url: '/*', upstream: target, websocket: true, ...route }] }, { logger: false })
  t.teardown(() => created.close())
  return Number(new URL(await created.listen()).port)
}

/** Sends a text byte by byte, and after it one byte again and again, until the connection is over. */
function trickle (wire: Wire, text: string, more = 'x'): void {
  let next = 0
  const timer = setInterval(() => {
    if (wire.ended || wire.closed || !wire.socket.writable) clearInterval(timer)
    else wire.write(text[next++] ?? more)
  }, 10)
  wire.socket.once('close', () => clearInterval(timer))
  wire.socket.on('error', () => {})
}

/** Reads a response of the gateway's own, which ends its connection. */
async function lastResponse (t: Test, wire: Wire, status: number, code: string): Promise<void> {
  const head = await wire.head()
  const body = await wire.rest()
  wire.end()
  t.match(head.start, new RegExp(`^HTTP/1\\.1 ${status} \\w`))
  t.match(JSON.parse(body), { statusCode: status, code, error: String, message: String })
  t.same(valuesOf(head, 'content-length'), [String(body.length)], 'framed')
  t.match(valuesOf(head, 'content-type'), ['application/json; charset=utf-8'])
  t.same(valuesOf(head, 'connection'), ['close'])
}

const GET = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
const POST = 'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n'

const slowHeads: Record<string, (wire: Wire) => void> = {
  'comes a byte at a time': wire => trickle(wire, 'GET / HTTP/1.1\r\nHost: a\r\nX: '),
  'has fields for ever': wire => trickle(wire, 'GET / HTTP/1.1\r\nHost: a\r\n', 'a:b\r\n'),
  'stops in the middle': wire => wire.write('GET / HTTP/1.1\r\nHo'),
  'is that of a WebSocket handshake': wire => trickle(wire, handshake().slice(0, -4))
}
for (const [name, send] of Object.entries(slowHeads)) {
  t.test(`a head that ${name} is 408 after headersTimeout`, async t => {
    const { url, server } = await echoBackend(t)
    server.on('request', () => t.fail('the target has seen it'))
    const wire = await Wire.connect(t, await gateway(t, url, { headersTimeout: 200 }))
    send(wire)
    await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
  })
}

t.test('a connection on which nothing comes is closed without a response', async t => {
  const { url } = await echoBackend(t)
  const wire = await Wire.connect(t, await gateway(t, url, { headersTimeout: 200 }))
  t.equal(await wire.rest(), '')
})

t.test('headersTimeout holds for a later request of a connection, too', async t => {
  const { url } = await echoBackend(t)
  const wire = await Wire.connect(t, await gateway(t, url, { headersTimeout: 200 }))
  wire.write(GET)
  const head = await wire.head()
  await wire.bytes(Number(valuesOf(head, 'content-length')[0]))
  wire.write('GET / HT')
  await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
})

t.test('what comes behind a 408 is no request any more', async t => {
  const { url, server } = await echoBackend(t)
  server.on('request', () => t.fail('the target has seen it'))
  const port = await gateway(t, url, { headersTimeout: 200 })
  const wire = await Wire.connect(t, port)
  wire.socket.on('error', () => {})
  wire.write('GET / HTTP/1.1\r\nHost: a\r\n')
  await wire.head()
  wire.write('\r\n').end()
  await wire.gone()
  t.match(await exchange(t, port, 'BAD\r\n\r\n'), { status: 400 }, 'later, all is as it was')
})

const body = { proxied: '/', unknown: '/none' }
for (const [name, path] of Object.entries(body)) {
  t.test(`a body that comes a byte at a time is 408 after requestTimeout, on a route that is ${name}`, async t => {
    const target = await rawTarget(t)
    const wire = await Wire.connect(t, await gateway(t, target.url, { requestTimeout: 200 }, { url: '/' }))
    trickle(wire, `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`)
    if (path === '/') {
      const server = await target.next()
      await server.head()
      await server.over()
      t.pass('the target is told')
    }
    await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
  })
}

t.test('a body that stops is 408 after requestTimeout', async t => {
  const { url } = await echoBackend(t)
  const wire = await Wire.connect(t, await gateway(t, url, { requestTimeout: 200 }))
  wire.write(POST + 'abc')
  await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
})

t.test('a body that stops behind its response ends the connection, and nothing more is said', async t => {
  const backend = await httpBackend(t, (_request, response) => { response.writeHead(200, { 'content-length': 5 }).end('early') })
  const wire = await Wire.connect(t, await gateway(t, backend.url, { requestTimeout: 200 }))
  wire.write(POST + 'abc')
  t.match((await wire.head()).start, '200')
  t.equal(await wire.rest(), 'early')
})

t.test('a body at more than minBodyRate may take longer than requestTimeout', async t => {
  const target = await rawTarget(t)
  const port = await gateway(t, target.url, { requestTimeout: 200, minBodyRate: 100 }, { url: '/upload' })
  const upload = await Wire.connect(t, port)
  upload.write('POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1025\r\n\r\nx')
  const server = await target.next()
  await server.head()
  upload.write('x'.repeat(1023))
  // It goes on while others, answered early and then waited for, are ended.
  for (let round = 0; round < 3; round++) t.match(await exchange(t, port, POST), { status: 404 })
  upload.write('x')
  await server.has(1025)
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.match((await upload.head()).start, '200')
})

t.test('a body that the target does not read is not the fault of the client', async t => {
  const target = await rawTarget(t)
  const port = await gateway(t, target.url, { requestTimeout: 200 }, { url: '/' })
  const upload = await Wire.connect(t, port)
  const size = 16 * 1024 * 1024
  upload.write(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`).write(Buffer.alloc(size))
  const server = await target.next()
  server.socket.pause()
  for (let round = 0; round < 3; round++) t.match(await exchange(t, port, POST), { status: 404 })
  server.socket.resume()
  await server.head()
  await server.has(size)
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.match((await upload.head()).start, '200')
})

t.test('requestTimeout: false leaves bodies to the upstream', async t => {
  const { url } = await echoBackend(t)
  const created = await createGateway({
    listen: { port: 0, requestTimeout: false }, upstreams: { app: { targets: [url], bodyTimeout: 200 } }, routes: [{ url: '/*', upstream: 'app' }]
  }, { logger: false })
  t.teardown(() => created.close())
  const wire = await Wire.connect(t, Number(new URL(await created.listen()).port))
  wire.write(POST)
  await lastResponse(t, wire, 408, 'SLUICE_BODY_TIMEOUT')
})

t.test('requests of app.inject() have no limits', async t => {
  const { url } = await echoBackend(t)
  const created = createGateway({ listen: { port: 0, requestTimeout: 100 }, routes: [{ url: '/*', upstream: url }] }, { logger: false })
  t.teardown(() => created.close())
  const port = Number(new URL(await created.listen()).port)
  const late = await createGateway({ listen: { requestTimeout: 100 } }, { logger: false })
  t.teardown(() => late.close())
  late.app.post('/own', async request => {
    await exchange(t, port, POST)
    return request.body
  })
  t.same((await late.app.inject({ method: 'POST', url: '/own', payload: { a: 1 } })).json(), { a: 1 })
})

t.test('an idle connection is closed after keepAliveTimeout, between two responses', async t => {
  const { url } = await echoBackend(t)
  const wire = await Wire.connect(t, await gateway(t, url, { keepAliveTimeout: 1000 }))
  wire.write(GET)
  let head = await wire.head()
  await wire.bytes(Number(valuesOf(head, 'content-length')[0]))
  t.same(valuesOf(head, 'keep-alive'), ['timeout=1'], 'the client is told')
  wire.write(GET)
  head = await wire.head()
  await wire.bytes(Number(valuesOf(head, 'content-length')[0]))
  t.equal(await wire.rest(), '')
})

t.test('requests that come while idle connections are closed are answered in whole, or not at all', async t => {
  const { url } = await echoBackend(t)
  const port = await gateway(t, url, { keepAliveTimeout: 50 })
  const outcomes = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const wire = await Wire.connect(t, port)
    wire.socket.on('error', () => {})
    wire.write(GET)
    const head = await wire.head()
    await wire.bytes(Number(valuesOf(head, 'content-length')[0]))
    // Around the limit, some before it and some behind.
    await new Promise(resolve => setTimeout(resolve, index))
    wire.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    const answer = await wire.rest()
    wire.end()
    return answer === '' || /^HTTP\/1\.1 200 [^]*\r\n\r\n\{.*\}$/.test(answer)
  }))
  t.notOk(outcomes.includes(false))
})

const big = 'x'.repeat(3000)
for (const [name, request] of Object.entries({ request: `GET / HTTP/1.1\r\nHost: a\r\nX: ${big}\r\n\r\n`, 'request line': `GET /${big} HTTP/1.1\r\nHost: a\r\n\r\n`, 'WebSocket handshake': handshake({ headers: { X: big } }) })) {
  t.test(`a ${name} above maxHeaderSize is 431`, async t => {
    const { url } = await echoBackend(t)
    const port = await gateway(t, url, { maxHeaderSize: 2048 })
    const wire = await Wire.connect(t, port)
    wire.write(request)
    await lastResponse(t, wire, 431, 'SLUICE_HEADERS_TOO_LARGE')
    const long = await Wire.connect(t, port)
    long.write(request.replace(big, big + big.repeat(1000)))
    await lastResponse(t, long, 431, 'SLUICE_HEADERS_TOO_LARGE')
  })
}

t.test('maxHeaderSize can be more than Node allows by default', async t => {
  const target = await rawTarget(t)
  const wire = await Wire.connect(t, await gateway(t, target.url, { maxHeaderSize: 65_536 }))
  const value = 'x'.repeat(60_000)
  wire.write(`GET / HTTP/1.1\r\nHost: a\r\nX: ${value}\r\n\r\n`)
  t.same(valuesOf(await (await target.next()).head(), 'x'), [value])
})

t.test('more fields than maxHeaders are 431, for requests and handshakes, on any route', async t => {
  const { url } = await echoBackend(t)
  const port = await gateway(t, url, { maxHeaders: 10 }, { url: '/ws' })
  const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `X-${index}: x`)
  const get = (path: string, count: number): string => [`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines(count), '', ''].join('\r\n')
  const code = { status: 431, body: /"code":"SLUICE_HEADERS_TOO_LARGE"/ }
  t.match(await exchange(t, port, get('/ws', 8)), { status: 200 }, 'ten are let through')
  t.match(await exchange(t, port, get('/ws', 9)), code)
  t.match(await exchange(t, port, get('/none', 9)), code)
  t.match(await exchange(t, port, handshake({ lines: lines(6) })), code)
  const wire = await Wire.connect(t, port)
  wire.write(handshake({ lines: lines(5) }))
  t.match((await wire.head()).start, '101')
})

t.test('a hundred fields are let through by default, one more is not, nor are thousands', async t => {
  const { url } = await echoBackend(t)
  const port = await gateway(t, url, { maxHeaderSize: 65_536 })
  const get = (count: number): string => `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${'a:b\r\n'.repeat(count - 2)}\r\n`
  t.match(await exchange(t, port, get(100)), { status: 200 })
  for (const count of [101, 2001, 10_000]) t.match(await exchange(t, port, get(count)), { status: 431 })
})

t.test('what is not HTTP is 400', async t => {
  const { url } = await echoBackend(t)
  const port = await gateway(t, url, {})
  for (const text of ['\x16\x03\x01 nonsense\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot a size']) {
    const wire = await Wire.connect(t, port)
    wire.write(text)
    await lastResponse(t, wire, 400, 'SLUICE_REQUEST_INVALID')
  }
})

t.test('an error behind a request waits for the response to that', async t => {
  const target = await rawTarget(t)
  const wire = await Wire.connect(t, await gateway(t, target.url, {}))
  wire.write(GET + 'garbage\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfir')
  t.match((await wire.head()).start, '200')
  wire.write('more garbage')
  server.write('st!')
  t.equal(String(await wire.bytes(6)), 'first!')
  await lastResponse(t, wire, 400, 'SLUICE_REQUEST_INVALID')
})

t.test('no error is written into a response under way', async t => {
  const target = await rawTarget(t)
  const port = await gateway(t, target.url, { requestTimeout: 200 })
  for (const rest of ['garbage\r\n', '']) {
    const wire = await Wire.connect(t, port)
    wire.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfir')
    t.match((await wire.head()).start, '200')
    t.equal(String(await wire.bytes(3)), 'fir')
    wire.write(rest)
    t.equal(await wire.rest(), '')
    await server.over()
    server.end()
  }
})

t.test('an error waits behind the pipelined answer before it', async t => {
  const target = await rawTarget(t)
  const wire = await Wire.connect(t, await gateway(t, target.url, { requestTimeout: 200 }))
  wire.write(GET + POST + 'abc')
  const first = await target.next()
  await first.head()
  first.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfir')
  t.match((await wire.head()).start, '200')
  t.equal((await wire.bytes(3)).toString(), 'fir')
  // The body of a request that waits for its turn is not read, so that its client is not late.
  await new Promise(resolve => setTimeout(resolve, 400))
  t.equal(wire.length, 0, 'nothing is written into the response')
  first.write('st!')
  t.equal((await wire.bytes(3)).toString(), 'st!')
  t.match((await wire.head()).start, '408')
})

t.test('connections beyond maxConnections are closed at once', async t => {
  const { url } = await echoBackend(t)
  const port = await gateway(t, url, { maxConnections: 2 })
  const kept = await Promise.all([Wire.connect(t, port), Wire.connect(t, port)])
  for (const wire of kept) {
    wire.write(GET)
    await wire.head()
  }
  const refused = connectTcp({ port, host: '127.0.0.1' }).on('error', () => {})
  await once(refused, 'close')
  kept[0]!.end()
  await kept[0]!.gone()
  t.match(await exchange(t, port, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), { status: 200 })
})

t.test('with TLS', async t => {
  const { url } = await echoBackend(t)
  const { cert, key } = await selfSigned(t, 'IP:127.0.0.1')
  const port = await gateway(t, url, { tls: { cert, key, handshakeTimeout: 300 }, headersTimeout: 300, requestTimeout: 300 })
  const secure = async (t: Test): Promise<Wire> => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: cert })
    await once(socket, 'secureConnect')
    return new Wire(t, socket)
  }

  t.test('a client that says nothing', async t => {
    t.equal(await (await Wire.connect(t, port)).rest(), '')
  })
  t.test('a TLS handshake a byte at a time', async t => {
    const wire = await Wire.connect(t, port)
    trickle(wire, await clientHello(t))
    t.equal(await wire.rest(), '')
  })
  t.test('no TLS', async t => {
    const wire = await Wire.connect(t, port)
    wire.write(GET)
    await wire.over()
  })
  t.test('a connection on which no request comes', async t => {
    t.equal(await (await secure(t)).rest(), '')
  })
  t.test('a head a byte at a time', async t => {
    const wire = await secure(t)
    trickle(wire, GET.slice(0, -4))
    await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
  })
  t.test("a WebSocket handshake's head a byte at a time", async t => {
    const wire = await secure(t)
    trickle(wire, handshake().slice(0, -4))
    await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
  })
  t.test('a body a byte at a time', async t => {
    const wire = await secure(t)
    trickle(wire, POST)
    await lastResponse(t, wire, 408, 'SLUICE_REQUEST_TIMEOUT')
  })
  t.test('too large a head', async t => {
    const wire = await secure(t)
    wire.write(`GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)
    await lastResponse(t, wire, 431, 'SLUICE_HEADERS_TOO_LARGE')
  })
})

/** The first message of a TLS handshake, as text. */
async function clientHello (t: Test): Promise<string> {
  const target = await rawTarget(t)
  const socket: Socket = connectTls({ port: target.port, host: '127.0.0.1' }).on('error', () => {})
  const server = await target.next()
  await server.has(200)
  const hello = await server.bytes(server.length)
  socket.destroy()
  return hello.toString('latin1')
}
