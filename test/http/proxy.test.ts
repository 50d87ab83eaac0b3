import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as requestTls } from 'node:https'
import { createServer } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import sluice from '../../src/index.js'
import { echoBackend, gatewayApp, httpBackend, type Seen } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget as wiredTarget } from '../helpers/raw-target.js'
import { nextMessage, openSocket, rawExchange } from '../helpers/sockets.js'
import { Wire } from '../helpers/wire.js'
import type { UpstreamOptions } from '../../src/options/index.js'
import type { FastifyServerOptions } from 'fastify'

async function through (t: Test, target: string, options: Partial<UpstreamOptions> = {}, appOptions: FastifyServerOptions = {}): Promise<string> {
  const app = await gatewayApp(t, appOptions)
  app.upstream('app', { ...options, targets: [target] })
  app.proxy('/*', { upstream: 'app' })
  return app.listen({ port: 0 })
}

/** A target that does not speak HTTP by itself: it answers each connection's first bytes as told. */
async function rawTarget (t: Test, answer: (socket: import('node:net').Socket) => void): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => answer(socket))
    t.teardown(() => { socket.destroy() })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as import('node:net').AddressInfo).port}`
}

t.test('every method, with path, query and body as sent', async t => {
  const backend = await echoBackend(t)
  const address = await through(t, backend.url)
  for (const method of ['GET', 'DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY']) {
    const body = method === 'GET' ? undefined : 'the body'
    const answer = await fetch(`${address}/a%20b//c?d=%2F&d`, { method, ...(body !== undefined && { body, headers: { 'content-type': 'text/x' } }) })
    const seen = await answer.json() as Seen
    t.match(seen, { method, url: '/a%20b//c?d=%2F&d', body: body ?? '' }, method)
  }
  const head = await fetch(`${address}/head`, { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(await head.text(), '')
  t.ok(Number(head.headers.get('content-length')) > 0, 'HEAD keeps the length of what GET would give')
})

t.test('a GET with a body', async t => {
  const backend = await echoBackend(t)
  const { port } = new URL(await through(t, backend.url))
  const answer = await rawExchange(Number(port), 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{a:')
  t.match(answer, /"body":"\{a:"/)
})

t.test('a chunked body stays without a length, one with a length keeps it', async t => {
  const backend = await echoBackend(t)
  const address = await through(t, backend.url)
  const arrived = once(backend.server, 'request') as Promise<[IncomingMessage]>
  const request = httpRequest(address, { method: 'POST' })
  request.write('a')
  const [{ headers }] = await arrived
  t.equal(headers['transfer-encoding'], 'chunked')
  t.equal(headers['content-length'], undefined)
  request.end('b')
  const [response] = await once(request, 'response') as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  t.equal((JSON.parse(text) as Seen).body, 'ab')
  const sized = await (await fetch(address, { method: 'POST', body: 'ab' })).json() as Seen
  t.equal(sized.headers['content-length'], '2')
  t.equal(sized.headers['transfer-encoding'], undefined)
})

t.test('20 MiB pass both ways unchanged', async t => {
  const backend = await httpBackend(t, (request, response) => { request.pipe(response) })
  const address = await through(t, backend.url)
  const sent = randomBytes(20 * 1024 * 1024)
  const answer = await fetch(address, { method: 'POST', body: sent })
  const received = Buffer.from(await answer.arrayBuffer())
  t.equal(createHash('sha1').update(received).digest('hex'), createHash('sha1').update(sent).digest('hex'))
})

t.test('status, reason phrase, headers and bodiless answers', async t => {
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/304') response.writeHead(304, { etag: '"x"' }).end()
    else if (request.url === '/204') response.writeHead(204).end()
    else response.writeHead(418, 'Short and stout', [['Set-Cookie', 'a=1'], ['Set-Cookie', 'b=2'], ['X-Two', '1'], ['X-Two', '2'], ['Keep-Alive', 'timeout=1'], ['Connection', 'x-hop'], ['X-Hop', '1']].flat()).end('teapot')
  })
  const address = await through(t, backend.url)
  const answer = await fetch(address)
  t.equal(answer.status, 418)
  t.equal(answer.statusText, 'Short and stout')
  t.same(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  t.equal(answer.headers.get('x-two'), '1, 2')
  t.equal(answer.headers.get('x-hop'), null)
  t.equal(await answer.text(), 'teapot')
  const notModified = await fetch(`${address}/304`)
  t.equal(notModified.status, 304)
  t.equal(notModified.headers.get('etag'), '"x"')
  t.equal((await fetch(`${address}/204`)).status, 204)
})

t.test('hooks of the route see and change the response', async t => {
  const backend = await httpBackend(t, (_request, response) => { response.writeHead(200, { 'x-own': 'target', vary: 'accept', 'set-cookie': 'a=1' }).end('text') })
  const app = await gatewayApp(t)
  app.addHook('onRequest', async (_request, reply) => { reply.header('vary', 'origin').header('x-hook', 'hook').header('x-own', 'hook').header('set-cookie', 'h=1') })
  app.addHook('onSend', async (_request, reply, payload) => {
    reply.header('x-seen', String(reply.getHeader('x-own')))
    return payload
  })
  app.proxy('/*', { upstream: backend.url })
  const { headers } = await fetch(await app.listen({ port: 0 }))
  t.match(Object.fromEntries(headers), { vary: 'origin, accept', 'x-hook': 'hook', 'x-own': 'target', 'x-seen': 'target' })
  t.same(headers.getSetCookie(), ['h=1', 'a=1'])
})

t.test('the head of an event stream leaves before any event, and each event when it comes', async t => {
  let send: (text: string) => void = () => {}
  const backend = await httpBackend(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    send = text => { response.write(text) }
  })
  const abort = new AbortController()
  const answer = await fetch(await through(t, backend.url), { signal: abort.signal })
  t.equal(answer.headers.get('content-type'), 'text/event-stream')
  const reader = answer.body!.getReader()
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    send(event)
    t.equal(Buffer.from((await reader.read()).value!).toString(), event)
  }
  abort.abort()
})

t.test("a client's abort cancels the target's request: before the response, and in its middle", async t => {
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/stream') response.write('first')
  })
  const address = await through(t, backend.url)
  for (const path of ['/silent', '/stream']) {
    const abort = new AbortController()
    const arrived = once(backend.server, 'request') as Promise<[IncomingMessage]>
    const answer = fetch(address + path, { signal: abort.signal })
    const [request] = await arrived
    const cancelled = new Promise(resolve => request.socket.on('close', resolve))
    if (path === '/stream') await answer
    else answer.catch(() => {})
    abort.abort()
    await cancelled
    t.pass(path)
  }
})

t.test("a client's abort in the middle of its body cancels the target's request", async t => {
  const backend = await httpBackend(t, request => { request.on('error', () => {}) })
  const address = await through(t, backend.url)
  const arrived = once(backend.server, 'request') as Promise<[IncomingMessage]>
  const request = httpRequest(address, { method: 'POST' })
  request.on('error', () => {})
  request.write('part')
  const [seen] = await arrived
  const cancelled = new Promise(resolve => seen.socket.on('close', resolve))
  request.destroy()
  await cancelled
  t.notOk(seen.complete)
})

t.test('a target that dies in the middle of its body breaks the response', async t => {
  for (const head of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const target = await rawTarget(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${head.startsWith('T') ? '3\r\nabc\r\n' : 'abc'}`, () => socket.destroy())
    })
    await t.rejects(async () => { await (await fetch(await through(t, target))).text() }, { name: 'TypeError' }, head)
  }
})

t.test('a target that dies after its head breaks the response too', async t => {
  const target = await rawTarget(t, socket => { socket.end('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n') })
  await t.rejects(async () => { await (await fetch(await through(t, target))).text() })
})

const faults: Record<string, { answer: (socket: import('node:net').Socket) => void, status: number, code: string }> = {
  garbage: { answer: socket => socket.end('what?\r\n\r\n'), status: 502, code: 'SLUICE_TARGET_RESPONSE_INVALID' },
  'no bytes': { answer: socket => socket.end(), status: 502, code: 'SLUICE_TARGET_UNREACHABLE' },
  'a reset': { answer: socket => socket.resetAndDestroy(), status: 502, code: 'SLUICE_TARGET_UNREACHABLE' },
  'half a head': { answer: socket => socket.end('HTTP/1.1 200 OK\r\nX-'), status: 502, code: 'SLUICE_TARGET_RESPONSE_INVALID' },
  silence: { answer: () => {}, status: 504, code: 'SLUICE_TARGET_TIMEOUT' },
  'half a head, then silence': { answer: socket => socket.write('HTTP/1.1 200 OK\r\nX-'), status: 504, code: 'SLUICE_TARGET_TIMEOUT' },
  'too long a head': { answer: socket => socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`), status: 502, code: 'SLUICE_TARGET_HEADERS_TOO_LARGE' },
  'a 101 nobody asked for': { answer: socket => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'), status: 502, code: 'SLUICE_TARGET_RESPONSE_INVALID' }
}
for (const [name, { answer, status, code }] of Object.entries(faults)) {
  t.test(`a target's ${name} is ${status}, for a GET and for a POST`, async t => {
    const target = await rawTarget(t, answer)
    const address = await through(t, target, { headersTimeout: 300 })
    for (const init of [{}, { method: 'POST', body: 'x'.repeat(100_000) }]) {
      const response = await fetch(address, init)
      const text = await response.text()
      t.equal(response.status, status)
      t.match(JSON.parse(text), { statusCode: status, code, error: status === 502 ? 'Bad Gateway' : 'Gateway Timeout' })
      t.notMatch(text, /127\.0\.0\.1|ECONN/)
    }
  })
}

t.test('a refused connection is 502', async t => {
  const gone = await httpBackend(t, () => {})
  await new Promise(resolve => gone.server.close(resolve))
  const response = await fetch(await through(t, gone.url), { method: 'POST', body: 'x' })
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'SLUICE_TARGET_UNREACHABLE', message: 'The upstream could not be reached' })
})

t.test('a client that stops in the middle of its body is told 408, in time', async t => {
  const backend = await httpBackend(t, request => { request.resume() })
  const { port } = new URL(await through(t, backend.url, { bodyTimeout: 200 }))
  t.match(await rawExchange(Number(port), 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc'), /^HTTP\/1\.1 408/)
})

t.test('a target that responds early does not need the rest of the body', async t => {
  const backend = await httpBackend(t, (_request, response) => { response.writeHead(413, { connection: 'close' }).end('too much') })
  const address = await through(t, backend.url)
  const request = httpRequest(address, { method: 'POST' })
  request.on('error', () => {})
  request.write('x')
  const [response] = await once(request, 'response') as [IncomingMessage]
  t.equal(response.statusCode, 413)
  request.destroy()
})

t.test('a slow reader holds the target back, and loses nothing', async t => {
  const total = 64 * 1024 * 1024
  let written = 0
  const backend = await httpBackend(t, (_request, response) => {
    const chunk = Buffer.alloc(64 * 1024)
    const write = (): void => {
      while (written < total) {
        written += chunk.length
        if (!response.write(chunk)) { response.once('drain', write); return }
      }
      response.end()
    }
    write()
  })
  const address = await through(t, backend.url)
  const response = await new Promise<IncomingMessage>(resolve => { httpRequest(address, resolve).end() })
  response.pause()
  // The target is held back when it has not come on between two looks.
  let before = -1
  while (written !== before) {
    before = written
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.ok(written < total / 2, `${written} bytes were taken in`)
  let read = 0
  for await (const chunk of response) read += (chunk as Buffer).length
  t.equal(read, total)
})

t.test('forwarding headers: from the connection, and from trusted proxies', async t => {
  const backend = await echoBackend(t)
  const spoofed = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'public.test', 'x-forwarded-port': '443', forwarded: 'for=evil' }
  const untrusted = await through(t, backend.url)
  const { port, host } = new URL(untrusted)
  t.match((await (await fetch(untrusted, { headers: spoofed })).json() as Seen).headers, {
    'x-forwarded-for': /^127\.0\.0\.1$/, 'x-forwarded-proto': 'http', 'x-forwarded-host': host, 'x-forwarded-port': port, forwarded: undefined
  })
  const trusted = await through(t, backend.url, {}, { trustProxy: '127.0.0.1' })
  t.match((await (await fetch(trusted, { headers: spoofed })).json() as Seen).headers, {
    'x-forwarded-for': /^198\.51\.100\.7, 127\.0\.0\.1$/, 'x-forwarded-proto': 'https', 'x-forwarded-host': 'public.test', 'x-forwarded-port': '443'
  }, 'what stands before the first address that is not trusted is hearsay')
})

t.test('dot segments are refused, and reach no target', async t => {
  let requests = 0
  const backend = await httpBackend(t, (_request, response) => { requests++; response.end() })
  const { port } = new URL(await through(t, backend.url))
  for (const path of ['/../x', '/a/%2e%2e/x', '/a\\..\\x']) {
    t.match(await rawExchange(Number(port), `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 400[^]*SLUICE_PATH_INVALID/, path)
  }
  t.equal(requests, 0)
})

t.test('two Hosts are refused, and reach no target', async t => {
  const backend = await echoBackend(t)
  const { port } = new URL(await through(t, backend.url))
  t.match(await rawExchange(Number(port), 'GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400[^]*SLUICE_REQUEST_INVALID/)
})

t.test('close() waits for a response under way, until the drain timeout', async t => {
  const backend = await httpBackend(t, (_request, response) => { response.write('never ends') })
  const app = Fastify()
  await app.register(sluice, { drainTimeout: 50 })
  app.proxy('/*', { upstream: backend.url })
  const answer = await fetch(await app.listen({ port: 0 }))
  const text = answer.text()
  text.catch(() => {})
  await app.close()
  await t.rejects(text)
})

t.test('close() destroys the connections to targets', async t => {
  const backend = await httpBackend(t, (_request, response) => { response.end('kept alive') })
  const app = Fastify()
  await app.register(sluice)
  app.proxy('/*', { upstream: backend.url })
  const connected = once(backend.server, 'connection') as Promise<[import('node:net').Socket]>
  await (await fetch(await app.listen({ port: 0 }))).text()
  const [socket] = await connected
  const ended = once(socket, 'close')
  await app.close()
  await ended
  t.pass()
})

t.test('the log tells a client that leaves from a target that breaks off', async t => {
  const target = await wiredTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const ends = { client: /the client has left before the end/, target: /the response of the upstream broke off/ }
  for (const [who, line] of Object.entries(ends)) {
    const client = await Wire.connect(t, gateway.port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    await client.head()
    await client.bytes(4)
    const before = gateway.log.length
    const [one, other] = who === 'client' ? [client, server] : [server, client]
    one.reset()
    await other.over()
    other.end()
    await gateway.idle()
    const told = gateway.log.slice(before).map(({ msg }) => String(msg))
    t.equal(told.filter(message => line.test(message)).length, 1, told.join())
    t.equal(told.filter(message => /has left|upstream broke off/.test(message)).length, 1, told.join())
  }
})

t.test('requests over HTTP/2 are refused, and reach no target; those over HTTP/1 beside them pass', async t => {
  const target = await echoBackend(t)
  let asked = 0
  target.server.on('request', () => { asked++ })
  const { key, cert } = await selfSigned(t, 'IP:127.0.0.1')
  const app = await gatewayApp(t, { http2: true, https: { key, cert, allowHTTP1: true } } as FastifyServerOptions)
  app.proxy('/*', { upstream: target.url, websocket: true })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connectHttp2(address, { rejectUnauthorized: false })
  t.teardown(() => { session.destroy() })
  for (const method of ['GET', 'POST']) {
    const stream = session.request({ ':method': method, ':path': '/x' })
    stream.end(method === 'POST' ? 'body' : undefined)
    const [headers] = await once(stream, 'response') as [Record<string, unknown>]
    t.equal(headers[':status'], 505)
    t.match(JSON.parse(Buffer.concat(await stream.toArray() as Buffer[]).toString()), { code: 'SLUICE_HTTP_VERSION' })
  }
  t.equal(asked, 0)
  const request = requestTls(address, { rejectUnauthorized: false, agent: false }).end()
  const [{ statusCode }] = await once(request, 'response') as [IncomingMessage]
  t.equal(statusCode, 200)
  const socket = await openSocket(address, [], { rejectUnauthorized: false })
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
  socket.close()
})
