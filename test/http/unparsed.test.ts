import { METHODS } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import OldestFastify from 'fastify-oldest'
import t, { type Test } from 'tap'
import sluice from '../../src/index.js'
import { echoBackend, gatewayApp, type Seen } from '../helpers/backends.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { handshake } from '../helpers/raw-client.js'
import { Wire, valuesOf, type Head } from '../helpers/wire.js'

// Issue 8, item 8: no parser of the app is ever asked for a proxied route.

const TYPES = ['application/json', 'text/plain', 'application/octet-stream', 'application/x-www-form-urlencoded', 'a/b; c="d"', 'no type', '/', '']
const METHODS_SENT = METHODS.filter(method => method !== 'CONNECT')

/** Ways to have an app parse. */
const APPS: Record<string, (app: FastifyInstance) => void> = {
  'with its own parsers': () => {},
  'with a parser of its own for JSON': app => {
    app.removeContentTypeParser('application/json')
    app.addContentTypeParser('application/json', (_request, _payload, done) => { done(new Error('asked')) })
  },
  "with a parser for '*'": app => { app.addContentTypeParser('*', (_request, _payload, done) => { done(new Error('asked')) }) },
  "with a parser for '*' that takes the body whole": app => { app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => { done(new Error('asked')) }) },
  'without any': app => { app.removeAllContentTypeParsers() },
  'in which a GET has a body, too': app => {
    app.addHttpMethod('GET', { hasBody: true, overrideExisting: true })
    app.addContentTypeParser('*', (_request, _payload, done) => { done(new Error('asked')) })
  }
}

async function startApp (t: Test, target: string, prepare: (app: FastifyInstance) => void, maker: typeof Fastify = Fastify): Promise<number> {
  const app = maker()
  t.teardown(() => app.close())
  prepare(app)
  for (const method of METHODS_SENT) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  await app.register(sluice)
  app.proxy('/*', { upstream: target, websocket: true, attachValidation: true, schema: { querystring: { type: 'object', required: ['never'] } } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return Number(new URL(app.listeningOrigin).port)
}

/** Sends requests over one connection, and checks that each reaches the target with its type. */
async function checkTypes (t: Test, port: number, target: Awaited<ReturnType<typeof rawTarget>>, heads: Array<{ method: string, lines: string[], body?: string }>): Promise<void> {
  const client = await Wire.connect(t, port)
  let server: Wire | undefined
  for (const { method, lines, body = '' } of heads) {
    client.write([`${method} /x HTTP/1.1`, 'Host: gateway.test', ...lines, '', body].join('\r\n'))
    server ??= await target.next()
    const head = await server.head()
    const what = `${method} ${lines.join(', ')}`
    t.equal(head.start, `${method} /x HTTP/1.1`, what)
    for (const line of lines) t.ok(head.headers.some(([name, value]) => `${name}: ${value}` === line.trim() || line === `${name}: ${value}`), `${what}: ${line} is sent on`)
    if (body !== '') t.equal((await server.bytes(body.length)).toString(), body, `${what}: its body`)
    server.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-From: target\r\n${method === 'HEAD' ? 'Connection: close\r\n' : ''}\r\n`)
    // Behind it a connection is not used at once.
    if (method === 'HEAD') server = undefined
    const answer: Head = await client.head()
    t.equal(answer.start, 'HTTP/1.1 200 OK', what)
    t.strictSame(valuesOf(answer, 'x-from'), ['target'], what)
  }
  client.end()
}

for (const [name, prepare] of Object.entries(APPS)) {
  t.test(`requests without a body reach the target with their type, in an app ${name}`, async t => {
    const target = await rawTarget(t)
    const port = await startApp(t, target.url, prepare)
    await checkTypes(t, port, target, METHODS_SENT.flatMap(method => [
      ...(method === 'POST' ? TYPES : TYPES.slice(0, 1)).map(type => ({ method, lines: [`Content-Type: ${type}`] })),
      { method, lines: [] }
    ]))
  })

  t.test(`so do those of length 0, and those with one, in an app ${name}`, async t => {
    const target = await rawTarget(t)
    const port = await startApp(t, target.url, prepare)
    await checkTypes(t, port, target, ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'QUERY', 'PROPFIND'].flatMap(method => [
      { method, lines: ['Content-Type: application/json', 'Content-Length: 0'] },
      { method, lines: ['Content-Type: application/json', 'Content-Length: 5'], body: '{"a":' },
      { method, lines: ['Content-Length: 5'], body: '{"a":' }
    ]))
  })

  t.test(`a handshake with a type passes, in an app ${name}`, async t => {
    const target = await rawTarget(t)
    const port = await startApp(t, target.url, prepare)
    const client = await Wire.connect(t, port)
    client.write(handshake({ lines: ['Content-Type: application/json'] }))
    const server = await target.next()
    const head = await server.head()
    t.strictSame(valuesOf(head, 'content-type'), ['application/json'])
    server.write(goodResponse(head))
    t.match((await client.head()).start, /^HTTP\/1.1 101/)
  })
}

t.test('on a route that is opted in, a handshake with a type passes, and other requests are parsed as before', async t => {
  const target = await rawTarget(t)
  const app = await gatewayApp(t)
  app.addHttpMethod('GET', { hasBody: true, overrideExisting: true })
  await app.register(httpProxy, { upstream: target.url, prefix: '/shop', config: { passthrough: { upstream: target.url } } })
  app.post('/own', { config: { passthrough: { upstream: target.url } } }, async request => request.body)
  app.addContentTypeParser('a/b', (_request, _payload, done) => { done(new Error('asked')) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await Wire.connect(t, Number(new URL(app.listeningOrigin).port))
  client.write(handshake({ path: '/shop/x', lines: ['Content-Type: a/b'] }))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  t.match((await client.head()).start, /^HTTP\/1.1 101/)
  t.strictSame((await app.inject({ method: 'POST', url: '/own', payload: { a: 1 } })).json(), { a: 1 })
})

t.test('in an app of the oldest Fastify 5, bodies and types pass as well', async t => {
  const target = await rawTarget(t)
  const port = await startApp(t, target.url, app => { app.addContentTypeParser('*', (_request, _payload, done) => { done(new Error('asked')) }) }, OldestFastify as unknown as typeof Fastify)
  await checkTypes(t, port, target, ['POST', 'DELETE', 'PROPFIND', 'GET', 'OPTIONS'].flatMap(method => [
    { method, lines: ['Content-Type: application/json'] },
    { method, lines: ['Content-Type: application/json', 'Content-Length: 5'], body: '{"a":' }
  ]))
})

t.test('the method that hooks and handlers see is that of the request', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  const seen: string[] = []
  app.addHook('onRequest', async request => { seen.push(request.method, request.raw.method!) })
  app.addHook('preValidation', async request => { seen.push(request.method, request.raw.method!) })
  app.addHook('onResponse', async request => { seen.push(request.method, Object.keys(request.raw).includes('method') ? 'its own' : 'none') })
  app.proxy('/*', { upstream: backend.url })
  const answer = await app.inject({ method: 'DELETE', url: '/', headers: { 'content-type': 'application/json' } })
  t.match(answer.json(), { method: 'DELETE', headers: { 'content-type': 'application/json' } })
  t.strictSame(seen, ['DELETE', 'DELETE', 'DELETE', 'DELETE', 'DELETE', 'its own'])
})

t.test('a hook that takes a header of the body away does not take the body', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.addHook('onRequest', async request => {
    delete request.headers['content-length']
  })
  app.proxy('/*', { upstream: backend.url })
  const answer = await app.inject({ method: 'POST', url: '/', payload: { a: 1 } })
  t.equal(answer.json<Seen>().body, '{"a":1}')
})

t.test('a stream that is given to app.inject() arrives whole', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url })
  const late = new PassThrough()
  setImmediate(() => { late.write('a'); setImmediate(() => late.end('b')) })
  for (const [payload, body] of [
    [Readable.from(['he', 'llo']), 'hello'],
    [Readable.from([Buffer.alloc(200_000, 'x')]), 'x'.repeat(200_000)],
    [late, 'ab']
  ] as const) {
    for (const headers of [{}, { 'content-type': 'application/json' }]) {
      if (payload.readableEnded) continue
      const seen = (await app.inject({ method: 'POST', url: '/', headers, payload })).json<Seen>()
      t.equal(seen.body, body)
      t.match(seen.headers, { 'transfer-encoding': 'chunked', 'content-length': undefined, ...headers })
    }
  }
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    const seen = (await app.inject({ method, url: '/', payload: Readable.from([]), headers: { 'content-type': 'application/json' } })).json<Seen>()
    t.equal(seen.body, '')
    t.match(seen.headers, { 'transfer-encoding': undefined, 'content-type': 'application/json' }, method)
  }
  t.match((await app.inject({ method: 'POST', url: '/' })).json<Seen>(), { body: '', headers: { 'content-length': '0' } })
})
