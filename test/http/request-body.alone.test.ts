import type { IncomingMessage } from 'node:http'
import { PassThrough, Readable, Transform } from 'node:stream'
import { createGunzip, gzipSync } from 'node:zlib'
import type { preParsingHookHandler } from 'fastify'
import t, { type Test } from 'tap'
import { ask } from '../helpers/ask.js'
import { echoBackend, gatewayApp, type Seen } from '../helpers/backends.js'
import { resources, startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

const encoded = gzipSync('hello')

async function send (t: Test, hook: preParsingHookHandler, body: Buffer = encoded): Promise<{ status: number, answer: object }> {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url, preParsing: hook })
  const { status, body: answer } = await ask(await app.listen({ port: 0, host: '127.0.0.1' }), { method: 'POST', headers: { 'content-encoding': 'gzip' }, body })
  return { status, answer: JSON.parse(answer.toString()) }
}

t.test('a body that a hook has decoded goes without its encoding and its length', async t => {
  const { answer } = await send(t, (_request, _reply, payload, done) => {
    done(null, payload.pipe(Object.assign(createGunzip(), { receivedEncodedLength: 0 })))
  })
  t.match(answer as Seen, { body: 'hello', headers: { 'content-encoding': undefined } })
})

t.test('one that a hook has only looked at keeps its encoding', async t => {
  const { answer } = await send(t, (_request, _reply, payload, done) => { done(null, payload.pipe(new PassThrough())) })
  t.match(answer as Seen, { body: encoded.toString('latin1'), headers: { 'content-encoding': 'gzip' } })
})

t.test('a body that a hook gives as text is as long as its bytes', async t => {
  for (const make of [
    () => Readable.from(['hällo ', 'wörld']),
    (payload: Readable) => payload.pipe(new PassThrough({ encoding: 'utf8' })),
    (payload: Readable) => payload.setEncoding('utf8'),
    (payload: Readable) => payload.setEncoding('base64')
  ]) {
    const { answer } = await send(t, (_request, _reply, payload, done) => { done(null, make(payload as Readable)) }, Buffer.from('hällo wörld'))
    t.equal((answer as Seen).body, Buffer.from('hällo wörld').toString('latin1'))
  }
})

t.test('a hook whose stream gives neither text nor bytes fails its request', async t => {
  const { status } = await send(t, (_request, _reply, _payload, done) => { done(null, Readable.from([{ a: 1 }])) })
  t.equal(status, 500)
})

t.test("an error of a hook's stream is the response when it has a status, whenever it comes", async t => {
  const failing = (error: Error): preParsingHookHandler => (_request, _reply, payload, done) => {
    done(null, payload.pipe(new Transform({ transform (_chunk, _encoding, callback) { callback(error) } })))
  }
  const failed = (error: Error): preParsingHookHandler => (_request, _reply, payload, done) => {
    const stream = payload.pipe(new PassThrough()).destroy(error)
    stream.once('error', () => { done(null, stream) })
  }
  for (const hook of [failing, failed]) {
    t.match(await send(t, hook(Object.assign(new Error('It has a virus'), { statusCode: 422, code: 'VIRUS' }))), { status: 422, answer: { code: 'VIRUS' } })
    const { status, answer } = await send(t, hook(new Error('/secret/path')))
    t.ok(status >= 500)
    t.notMatch(JSON.stringify(answer), 'secret')
  }
})

t.test('a client whose target has answered without reading the body can send the rest, and another request behind it', async t => {
  const target = await rawTarget(t)
  let source: IncomingMessage | undefined
  const { port } = await startGateway(t, {
    targets: [target.url],
    setup: app => app.addHook('onRequest', (request, _reply, done) => {
      source ??= request.raw
      done()
    })
  })
  const client = await Wire.connect(t, port)
  const body = Buffer.alloc(20_000_000)
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`)
  const sent = new Promise(resolve => client.socket.write(body, resolve))
  const server = await target.next()
  await server.head()
  server.socket.pause()
  // All there is between them is full when nothing has moved for some turns of the event loop.
  for (let turns = 0; turns < 100; turns = source!.isPaused() ? turns + 1 : 0) await new Promise(resolve => setImmediate(resolve))
  server.write('HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
  t.equal((await client.head()).start, 'HTTP/1.1 413 Too Much')
  await client.bytes(2)
  await sent
  client.write('GET /again HTTP/1.1\r\nHost: x\r\n\r\n')
  const again = await target.next()
  t.equal((await again.head()).start, 'GET /again HTTP/1.1')
})

t.test("no timer is left of a body when a function of the route's headers throws", async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url], route: { headers: { request: { 'x-a': () => { throw new Error('no') } } } } })
  const { timers } = resources()
  const { status } = await ask(`http://127.0.0.1:${port}`, { method: 'POST', body: 'x' })
  t.equal(status, 500)
  t.equal(resources().timers, timers)
})

for (const [name, framing, parts] of [['with a length', 'Content-Length: 100', ['abc', 'def']], ['in chunks', 'Transfer-Encoding: chunked', ['3\r\nabc\r\n', '3\r\ndef\r\n']]] as const) {
  t.test(`an early response is not lost where the target closes the connection to a body ${name}`, async t => {
    const target = await rawTarget(t)
    const { port } = await startGateway(t, { targets: [target.url] })
    const client = await Wire.connect(t, port)
    client.write(`POST / HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${parts[0]}`)
    const server = await target.next()
    await server.head()
    await server.bytes(parts[0].length)
    // In one turn of the event loop, so that the gateway has more of the body before it sees the response.
    client.write(parts[1])
    server.write('HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno').reset()
    t.equal((await client.head()).start, 'HTTP/1.1 413 Too Much')
    t.equal((await client.bytes(2)).toString(), 'no')
  })
}

t.test('a client that stalls in a body that nobody wants any more is cut, and close() does not wait for it', async t => {
  for (const answer of ['HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n', 'nonsense\r\n\r\n']) {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], upstream: { bodyTimeout: 200 } })
    const client = await Wire.connect(t, gateway.port)
    client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome')
    const server = await target.next()
    await server.head()
    server.write(answer)
    await client.head()
    await gateway.app.close()
    await client.over()
  }
})
