import compress, { type FastifyCompressOptions } from '@fastify/compress'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import * as zlib from 'node:zlib'
import t, { type Test } from 'tap'
import type { ProxyRouteOptions } from '../../../src/index.js'
import { ask } from '../../helpers/ask.js'
import { echoBackend, gatewayApp, httpBackend, type Seen } from '../../helpers/backends.js'
import { nextMessage, openSocket, refusal } from '../../helpers/sockets.js'

const { brotliCompressSync, brotliDecompressSync, constants, createGunzip, deflateSync, gunzipSync, gzipSync } = zlib
/** Node has it from 22.15 on. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (data: Buffer) => Buffer }

const TEXT = 'All work and no play makes Jack a dull boy.\n'.repeat(200)

async function through (t: Test, listener: RequestListener, options: FastifyCompressOptions = {}, route: Partial<ProxyRouteOptions> = {}): Promise<string> {
  const backend = await httpBackend(t, listener)
  const app = await gatewayApp(t)
  await app.register(compress, options)
  app.proxy('/*', { upstream: backend.url, websocket: true, ...route })
  return app.listen({ port: 0, host: '127.0.0.1' })
}

/** Responses with TEXT, its length and an ETag. */
const plain: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(TEXT), etag: '"1"', vary: 'Accept-Language' })
  response.end(TEXT)
}

t.test('a plain response is compressed for a client that accepts it', async t => {
  const address = await through(t, plain)
  const decoders: Array<[encoding: string, decode: (data: Buffer) => Buffer]> = [['gzip', gunzipSync], ['br', brotliDecompressSync]]
  if (zstdDecompressSync !== undefined) decoders.push(['zstd', zstdDecompressSync])
  for (const [encoding, decode] of decoders) {
    const { status, headers, body } = await ask(address, { headers: { 'accept-encoding': encoding } })
    t.equal(status, 200)
    t.match(headers, { 'content-encoding': encoding, 'content-length': undefined, 'content-type': 'text/plain', etag: '"1"' })
    t.same(headers.vary!.split(', ').sort(), ['Accept-Language', 'accept-encoding'])
    t.equal(decode(body).toString(), TEXT)
  }
})

t.test('and left as it is for one that does not', async t => {
  const address = await through(t, plain)
  for (const headers of [{}, { 'accept-encoding': 'identity' }]) {
    const answer = await ask(address, { headers })
    t.match(answer.headers, { 'content-encoding': undefined, 'content-length': String(TEXT.length) })
    t.equal(answer.body.toString(), TEXT)
  }
})

t.test('a response that is encoded already passes as it is', async t => {
  const encoded = gzipSync(TEXT)
  const address = await through(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip', 'content-length': encoded.length })
    response.end(encoded)
  })
  const { headers, body } = await ask(address, { headers: { 'accept-encoding': 'br, gzip' } })
  t.match(headers, { 'content-encoding': 'gzip', 'content-length': String(encoded.length), vary: undefined })
  t.same(body, encoded)
})

t.test('a part passes as it is', async t => {
  const address = await through(t, (request, response) => {
    t.equal(request.headers.range, 'bytes=0-9')
    response.writeHead(206, { 'content-type': 'text/plain', 'content-length': 10, 'content-range': `bytes 0-9/${TEXT.length}` })
    response.end(TEXT.slice(0, 10))
  })
  const { status, headers, body } = await ask(address, { headers: { 'accept-encoding': 'gzip', range: 'bytes=0-9' } })
  t.equal(status, 206)
  t.match(headers, { 'content-encoding': undefined, 'content-length': '10' })
  t.equal(body.toString(), TEXT.slice(0, 10))
})

t.test('a response without a body is not encoded', async t => {
  const address = await through(t, (request, response) => {
    response.writeHead(Number(request.url!.slice(1)), { etag: '"1"' }).end()
  })
  for (const status of [204, 304]) {
    const answer = await ask(`${address}/${status}`, { headers: { 'accept-encoding': 'gzip' } })
    t.equal(answer.status, status)
    t.match(answer.headers, { etag: '"1"', 'content-encoding': undefined })
    t.equal(answer.body.length, 0)
  }
})

t.test('HEAD has the headers of GET', async t => {
  const address = await through(t, plain)
  const { status, headers, body } = await ask(address, { method: 'HEAD', headers: { 'accept-encoding': 'gzip' } })
  t.equal(status, 200)
  t.match(headers, { 'content-encoding': 'gzip', 'content-length': undefined, etag: '"1"' })
  t.equal(body.length, 0)
})

t.test('a response that breaks off is a broken response', async t => {
  for (const sent of [0, 5, 100, 5_000]) {
    const address = await through(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': TEXT.length })
      response.flushHeaders()
      response.write(TEXT.slice(0, sent), () => { response.destroy() })
    })
    await t.rejects(ask(address, { headers: { 'accept-encoding': 'gzip' } }), { code: 'ECONNRESET' }, `after ${sent} bytes`)
  }
})

t.test('a client that leaves cancels the request', async t => {
  let closed: Promise<unknown> | undefined
  const address = await through(t, (_request, response) => {
    closed = once(response, 'close')
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.write(TEXT)
  })
  const outgoing = httpRequest(address, { headers: { 'accept-encoding': 'gzip' } }).end()
  const [answer] = await once(outgoing, 'response') as [IncomingMessage]
  answer.on('error', () => {})
  outgoing.destroy()
  await closed
})

t.test('events are not held back', async t => {
  const address = await through(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  })
  const outgoing = httpRequest(address, { headers: { 'accept-encoding': 'gzip, br' } }).end()
  const [answer] = await once(outgoing, 'response') as [IncomingMessage]
  answer.on('error', () => {})
  t.equal(answer.headers['content-encoding'], undefined)
  const [chunk] = await once(answer, 'data') as [Buffer]
  t.equal(chunk.toString(), 'data: 1\n\n')
  outgoing.destroy()
})

t.test('nor are pieces of other text, where the plugin is told to flush', async t => {
  const address = await through(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write('{"n":1,"text":"one"}\n')
  }, { zlibOptions: { flush: constants.Z_SYNC_FLUSH }, customTypes: /ndjson/ })
  const outgoing = httpRequest(address, { headers: { 'accept-encoding': 'gzip' } }).end()
  const [answer] = await once(outgoing, 'response') as [IncomingMessage]
  t.equal(answer.headers['content-encoding'], 'gzip')
  const decoder = answer.pipe(createGunzip())
  answer.on('error', () => {})
  const [chunk] = await once(decoder, 'data') as [Buffer]
  t.equal(chunk.toString(), '{"n":1,"text":"one"}\n')
  outgoing.destroy()
})

t.test('a route may do without', async t => {
  const address = await through(t, plain, {}, { compress: false } as Partial<ProxyRouteOptions>)
  t.match((await ask(address, { headers: { 'accept-encoding': 'gzip' } })).headers, { 'content-encoding': undefined, 'content-length': String(TEXT.length) })
})

t.test('a refused handshake', async t => {
  const backend = await httpBackend(t, () => {})
  backend.server.on('upgrade', (_request, socket) => {
    socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: ${TEXT.length}\r\n\r\n${TEXT}`)
  })
  const app = await gatewayApp(t)
  await app.register(compress)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await refusal(url), { status: 403, body: TEXT })
  t.match((await refusal(url, { headers: { 'accept-encoding': 'gzip' } })).headers, { 'content-encoding': 'gzip', 'content-length': undefined })
})

t.test('a session is not touched', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(compress)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  const socket = await openSocket(await app.listen({ port: 0, host: '127.0.0.1' }), [], { headers: { 'accept-encoding': 'gzip' } })
  t.teardown(() => socket.terminate())
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
})

t.test('a body of a request reaches the target decoded', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(compress)
  app.proxy('/*', { upstream: backend.url })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [encoding, encode] of [['gzip', gzipSync], ['br', brotliCompressSync], ['deflate', deflateSync]] as const) {
    for (const framing of ['content-length', 'transfer-encoding']) {
      const encoded = encode(TEXT)
      const { status, body } = await ask(address, {
        method: 'POST',
        headers: { 'content-encoding': encoding, 'content-type': 'text/plain', [framing]: framing === 'content-length' ? encoded.length : 'chunked' },
        body: encoded
      })
      t.equal(status, 200)
      const seen = JSON.parse(body.toString()) as Seen
      t.equal(seen.body, TEXT)
      t.match(seen.headers, { 'content-encoding': undefined, 'content-type': 'text/plain' })
      t.not(seen.headers['content-length'], String(encoded.length))
    }
  }
  const seen = JSON.parse((await ask(address, { method: 'POST', headers: { 'content-length': 5 }, body: 'plain' })).body.toString()) as Seen
  t.match(seen, { body: 'plain', headers: { 'content-length': '5' } }, 'what is not encoded keeps its length')
})

t.test('a body that cannot be decoded is the fault of the client', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(compress)
  app.proxy('/*', { upstream: backend.url })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const broken = await ask(address, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: 'this is no gzip' })
  t.match([broken.status, JSON.parse(broken.body.toString())], [400, { code: 'FST_CP_ERR_INVALID_CONTENT' }])
  const unknown = await ask(address, { method: 'POST', headers: { 'content-encoding': 'rot13' }, body: 'guvf' })
  t.equal(unknown.status, 415)
})

t.test('without decompression an encoded body passes as it is', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(compress, { globalDecompression: false })
  app.proxy('/*', { upstream: backend.url })
  const encoded = gzipSync(TEXT)
  const { body } = await ask(await app.listen({ port: 0, host: '127.0.0.1' }), { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: encoded })
  const seen = JSON.parse(body.toString()) as Seen
  t.match(seen.headers, { 'content-encoding': 'gzip' })
  t.equal(seen.body, encoded.toString('latin1'))
})
