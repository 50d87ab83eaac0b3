import { createRequire } from 'node:module'
import type { ServerResponse } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { createGzip, gunzipSync } from 'node:zlib'
import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { directResponses } from '../../src/http/direct-response.js'
import { httpBackend } from '../helpers/backends.js'
import { startGateway, type GatewaySettings, type RunningGateway } from '../helpers/gateway.js'
import { random, seeds } from '../helpers/random.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf, type Head } from '../helpers/wire.js'

type OnHeaders = (response: ServerResponse, listener: (this: ServerResponse) => void) => void
const onHeaders = createRequire(import.meta.url)('on-headers-1.0') as OnHeaders

/** The ways of a response through the gateway. */
const WAYS: Record<string, Partial<GatewaySettings>> = {
  directly: {},
  'behind an onSend hook': { route: { onSend: async (_request, _reply, payload) => payload } },
  'behind an onSend hook that puts a stream in its place': {
    route: { onSend: async (_request, _reply, payload) => isStream(payload) ? payload.pipe(new PassThrough()) : payload }
  },
  'past middleware that wraps writeHead': { route: { onRequest: async (_request, reply) => { onHeaders(reply.raw, () => {}) } } },
  'where a header has been set on the raw response': { route: { onRequest: async (_request, reply) => { reply.raw.setHeader('X-Raw', '1') } } }
}

/** Those in which the body is a text: its encoding must not become that of the head. */
const TEXT_WAYS: Record<string, Partial<GatewaySettings>> = {
  'behind an onSend hook that puts a text in its place': { route: { onSend: async (_request, _reply, payload) => isStream(payload) ? await text(payload) : payload } },
  'behind an onSend hook that puts a stream of texts in its place': {
    route: { onSend: async (_request, _reply, payload) => isStream(payload) ? Readable.from([await text(payload)]) : payload }
  }
}

function isStream (payload: unknown): payload is Readable {
  return payload instanceof Object && 'pipe' in payload
}

async function text (stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray() as Buffer[]).toString('latin1')
}

interface Running { gateway: RunningGateway, target: RawTarget, client: Wire }

async function start (t: Test, settings: Partial<GatewaySettings>): Promise<Running> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], ...settings })
  return { gateway, target, client: await Wire.connect(t, gateway.port) }
}

/** Sends a request, has the target respond and gives the head that the client sees. */
async function respond (t: Test, running: Running, response: string[], body = '', start = 'GET / HTTP/1.1'): Promise<Head> {
  const { target } = running
  const client = start.endsWith('1.1') ? running.client : await Wire.connect(t, running.gateway.port)
  client.write(`${start}\r\nHost: gateway.test\r\n\r\n`)
  // Not every such response lets its connection be used again.
  const server = await target.next()
  await server.head()
  server.write([...response, 'Connection: close', '', body].join('\r\n')).end()
  const head = await client.head()
  if (start.endsWith('1.1')) await client.bytes(body.length)
  return head
}

/** As latin1, which is how the helpers read and write. */
const VALUES = [
  `attachment; filename="${Buffer.from('Übersicht €.pdf').toString('latin1')}"`,
  `attachment; filename="${Buffer.from('日本語.pdf').toString('latin1')}"; filename*=UTF-8''x`,
  'attachment; filename="\xdcbersicht.pdf"',
  'attachment; filename="\xc3\x28 \xff\xfe \x80"',
  'attachment; filename="\xc3\x83\xc2\xa9"'
]

for (const [way, settings] of Object.entries({ ...WAYS, ...TEXT_WAYS })) {
  // Issue 8, item 9
  t.test(`Content-Disposition arrives byte for byte behind a Content-Length, ${way}`, async t => {
    const running = await start(t, settings)
    for (const name of ['Content-Disposition', 'content-disposition']) {
      for (const value of VALUES) {
        for (const [what, response, body = '', start = undefined] of [
          ['200', ['HTTP/1.1 200 OK', 'Content-Length: 2', `${name}: ${value}`, 'X-Last: \xe9'], 'ok'],
          ['its other order', ['HTTP/1.1 200 OK', `${name}: ${value}`, 'Content-Length: 2', 'X-Last: \xe9'], 'ok'],
          ['twice', ['HTTP/1.1 200 OK', 'Content-Length: 2', `${name}: ${value}`, `${name}: ${value}`, 'X-Last: \xe9'], 'ok'],
          ['an empty one', ['HTTP/1.1 200 OK', 'Content-Length: 0', `${name}: ${value}`, 'X-Last: \xe9']],
          ['304', ['HTTP/1.1 304 Not Modified', 'Content-Length: 2', `${name}: ${value}`, 'X-Last: \xe9']],
          ['204', ['HTTP/1.1 204 No Content', `${name}: ${value}`, 'X-Last: \xe9']],
          ['HEAD', ['HTTP/1.1 200 OK', 'Content-Length: 2', `${name}: ${value}`, 'X-Last: \xe9'], '', 'HEAD / HTTP/1.1'],
          ['HTTP/1.0', ['HTTP/1.1 200 OK', 'Content-Length: 2', `${name}: ${value}`, 'X-Last: \xe9'], 'ok', 'GET / HTTP/1.0']
        ] as Array<[string, string[], string?, string?]>) {
          const head = await respond(t, running, response, body, start)
          t.strictSame(valuesOf(head, 'content-disposition'), what === 'twice' ? [value, value] : [value], what)
          t.strictSame(valuesOf(head, 'x-last'), ['\xe9'], what)
        }
      }
    }
  })

  t.test(`a handshake's responses keep it as well, ${way}`, async t => {
    const { gateway, target } = await start(t, settings)
    for (const value of VALUES) {
      const [refused, accepted] = [await Wire.connect(t, gateway.port), await Wire.connect(t, gateway.port)]
      refused.write(handshake())
      const first = await target.next()
      await first.head()
      first.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nContent-Disposition: ${value}\r\n\r\nno`)
      t.strictSame(valuesOf(await refused.head(), 'content-disposition'), [value])
      accepted.write(handshake())
      const second = await target.next()
      second.write(goodResponse(await second.head(), [`Content-Disposition: ${value}`]))
      t.strictSame(valuesOf(await accepted.head(), 'content-disposition'), [value])
    }
  })

  t.test(`headers of any name arrive with any bytes, ${way}`, async t => {
    const running = await start(t, settings)
    for (const seed of seeds(60)) {
      const pick = random(seed)
      const lines = namesFor(pick).map(name => [name, value(pick)] as const)
      const head = await respond(t, running, ['HTTP/1.1 200 OK', ...lines.map(([name, value]) => `${name}: ${value}`), 'Content-Length: 2'].sort((one, other) => one.startsWith('HTTP') ? -1 : other.startsWith('HTTP') ? 1 : pick(3) - 1), 'ok')
      for (const [name, value] of lines) t.strictSame(valuesOf(head, name), [value], `${name}, with seed ${seed}`)
    }
  })
}

t.test('a head that goes out ahead of its body arrives byte for byte, also where no body may come', async t => {
  // Nothing of the stream that the hook puts in the place of the body comes until the client has the head.
  let slow: PassThrough
  const running = await start(t, { route: { onSend: async () => { slow = new PassThrough(); return slow } } })
  for (const [start, status, body] of [['HEAD / HTTP/1.1', '200 OK', ''], ['GET / HTTP/1.1', '200 OK', 'ok'], ['GET / HTTP/1.0', '200 OK', 'ok']] as const) {
    const value = VALUES[2]!
    const head = await respond(t, running, [`HTTP/1.1 ${status}`, 'Content-Length: 2', `Content-Disposition: ${value}`, 'X-Last: \xe9'], '', start)
    t.strictSame(valuesOf(head, 'content-disposition'), [value], start)
    t.strictSame(valuesOf(head, 'x-last'), ['\xe9'], start)
    slow!.end(body)
    if (body !== '' && start.endsWith('1.1')) await running.client.bytes(2)
  }
})

t.test('so does one with a text for its body in app.inject()', async t => {
  const running = await start(t, TEXT_WAYS['behind an onSend hook that puts a text in its place']!)
  const asked = running.gateway.app.inject('/')
  const server = await running.target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Last: \xe9\r\n\r\n\xe9\xe9')
  const response = await asked
  t.equal(response.headers['x-last'], '\xe9')
  t.equal(response.body, '\xe9\xe9')
})

t.test('a text of a hook stays UTF-8', async t => {
  const running = await start(t, { route: { onSend: async (_request, reply) => { reply.header('content-length', 5); return 'é€' } } })
  const head = await respond(t, running, ['HTTP/1.1 200 OK', 'Content-Length: 2', 'X-Last: \xe9'], '')
  t.strictSame(valuesOf(head, 'x-last'), ['\xe9'])
  t.equal((await running.client.bytes(5)).toString(), 'é€')
})

t.test('directly, it also keeps its place', async t => {
  const running = await start(t, {})
  for (const value of VALUES) {
    const head = await respond(t, running, ['HTTP/1.1 200 OK', 'A: 1', 'CONTENT-length: 2', 'B: 1', `Content-dispOsition: ${value}`, 'C: 1'], 'ok')
    t.strictSame(head.headers.slice(0, 5), [['A', '1'], ['CONTENT-length', '2'], ['B', '1'], ['Content-dispOsition', value], ['C', '1']])
  }
})

t.test('and the links of early hints', async t => {
  const { client, target } = await start(t, {})
  client.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 103 Early Hints\r\nLink: </caf\xe9.css>; rel=preload\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n')
  t.strictSame(valuesOf(await client.head(), 'link'), ['</caf\xe9.css>; rel=preload'])
})

t.test('headers of requests and handshakes arrive with any bytes', async t => {
  const { client, target, gateway } = await start(t, {})
  let server: Wire | undefined
  for (const seed of seeds(60)) {
    const pick = random(seed)
    const lines = namesFor(pick).map(name => [name, value(pick)] as const)
    client.write(`GET / HTTP/1.1\r\nHost: gateway.test\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    server ??= await target.next()
    const head = await server.head()
    t.strictSame(head.headers.filter(([name]) => lines.some(([sent]) => sent === name)), lines.map(line => [...line]), `with seed ${seed}`)
    server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    await client.head()
    if (seed > 20) continue
    const socket = await Wire.connect(t, gateway.port)
    socket.write(handshake({ lines: lines.filter(([name]) => name !== 'Origin').map(([name, value]) => `${name}: ${value}`) }))
    const peer = await target.next()
    const request = await peer.head()
    for (const [name, value] of lines) if (name !== 'Origin') t.strictSame(valuesOf(request, name), [value], `${name} of a handshake, with seed ${seed}`)
    peer.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    await socket.head()
    socket.end()
  }
})

/** Header names that some parser or writer on the way might treat in a way of its own. */
const NAMES = [
  'Accept', 'Accept-Charset', 'Accept-Encoding', 'Accept-Language', 'Accept-Ranges', 'Age', 'Allow', 'Alt-Svc', 'Authorization', 'Cache-Control',
  'Content-Disposition', 'Content-Encoding', 'Content-Language', 'Content-Location', 'Content-MD5', 'Content-Range', 'Content-Security-Policy', 'Content-Type',
  'Cookie', 'Cookie2', 'Date', 'ETag', 'Expires', 'From', 'If-Match', 'If-Modified-Since', 'If-None-Match', 'If-Range', 'If-Unmodified-Since',
  'Last-Modified', 'Link', 'Location', 'Max-Forwards', 'Origin', 'Pragma', 'Range', 'Referer', 'Refresh', 'Retry-After', 'Server', 'Server-Timing',
  'Set-Cookie', 'Strict-Transport-Security', 'User-Agent', 'Vary', 'Via', 'Warning', 'WWW-Authenticate', 'X-Anything', 'X-Frame-Options', 'constructor', 'toString', 'x'
]

/** Some names, in an order. */
function namesFor (pick: (below: number) => number): string[] {
  return NAMES.filter(() => pick(4) === 0).sort(() => pick(3) - 1)
}

/** Any value that a header may have, without spaces at its ends. */
function value (pick: (below: number) => number): string {
  let text = ''
  for (let length = pick(30) + 1; length > 0; length--) {
    // Helpers trim a no-break space.
    const code = pick(3) === 0 ? 0xa1 + pick(0x5f) : 0x21 + pick(0x5e)
    text += String.fromCharCode(code)
  }
  return text
}

for (const [way, settings] of Object.entries(WAYS)) {
  // Issue 8, item 37
  t.test(`app.inject() sees every Set-Cookie, ${way}`, async t => {
    const backend = await httpBackend(t, (_request, response) => {
      response.writeHead(200, ['Set-Cookie', 'a=1', 'X-One', '1', 'set-cookie', 'b=2', 'Warning', 'w1', 'Warning', 'w2', 'Content-Length', '2'])
      response.end('ok')
    })
    const gateway = await startGateway(t, { targets: [backend.url], ...settings })
    const response = await gateway.app.inject('/')
    t.strictSame(response.headers['set-cookie'], ['a=1', 'b=2'])
    t.strictSame(response.headers['warning'], ['w1', 'w2'])
    t.match(response.headers, { 'x-one': '1', 'content-length': '2' })
    t.equal(response.body, 'ok')
    t.strictSame(response.cookies.map(({ name }) => name), ['a', 'b'])
    const client = await Wire.connect(t, gateway.port)
    client.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    const head = await client.head()
    t.strictSame(valuesOf(head, 'set-cookie'), ['a=1', 'b=2'])
    t.strictSame(valuesOf(head, 'warning'), ['w1', 'w2'])
  })
}

t.test('app.inject() sees the trailers of a response', async t => {
  const running = await start(t, {})
  const asked = running.gateway.app.inject('/')
  const server = await running.target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n')
  t.strictSame({ ...(await asked).trailers }, { 'x-sum': '1', 'x-other': '2' })
})

t.test('middleware that wraps writeHead in the old way gets the form that it understands', async t => {
  const seen: object[] = []
  const running = await start(t, {
    route: {
      onRequest: async (_request, reply) => {
        onHeaders(reply.raw, function () {
          seen.push({ ...this.getHeaders(), status: this.statusCode })
          this.setHeader('X-Response-Time', '1ms')
          // As express-session does.
          const cookies = [this.getHeader('Set-Cookie') ?? []].flat().map(String)
          this.setHeader('Set-Cookie', [...cookies, 'sid=1'])
          this.removeHeader('Server')
        })
      }
    }
  })
  const head = await respond(t, running, ['HTTP/1.1 201 Made', 'Content-Length: 2', 'Set-Cookie: a=1', 'Server: target', 'Set-Cookie: b=2', 'X-Case: \xe9'], 'ok')
  t.strictSame(seen, [{ 'content-length': '2', 'set-cookie': ['a=1', 'b=2'], server: 'target', 'x-case': '\xe9', status: 201 }])
  t.equal(head.start, 'HTTP/1.1 201 Made')
  t.strictSame(valuesOf(head, 'set-cookie'), ['a=1', 'b=2', 'sid=1'])
  t.strictSame(valuesOf(head, 'server'), [])
  t.ok(head.headers.some(([name, value]) => name === 'X-Case' && value === '\xe9'), 'names keep their case')
  t.strictSame(valuesOf(head, 'x-response-time'), ['1ms'])
})

t.test('middleware that compresses in the old way gets whole bodies', async t => {
  const body = 'x'.repeat(300_000)
  const backend = await httpBackend(t, (_request, response) => { response.setHeader('Content-Length', body.length).setHeader('Content-Type', 'text/plain').end(body) })
  const gateway = await startGateway(t, { targets: [backend.url], route: { onRequest: async (_request, reply) => { compress(reply.raw) } } })
  const response = await fetch(`http://127.0.0.1:${gateway.port}/`)
  t.equal(response.headers.get('content-encoding'), 'gzip')
  t.equal(await response.text(), body)
  const injected = await gateway.app.inject('/')
  t.equal(gunzipSync(injected.rawPayload).toString(), body)
})

/** What the module `compression` does: functions of its own for write() and end(), and the stream once the head is known. */
function compress (response: ServerResponse): void {
  const write = response.write.bind(response) as (chunk: Buffer) => boolean
  const end = response.end.bind(response) as () => ServerResponse
  const on = response.on.bind(response)
  const gzip = createGzip()
  response.write = ((chunk: Buffer) => {
    if (!response.headersSent) response.writeHead(response.statusCode)
    return gzip.write(chunk)
  }) as ServerResponse['write']
  response.end = ((chunk?: Buffer) => {
    gzip.end(chunk)
    return response
  }) as ServerResponse['end']
  onHeaders(response, () => {
    if (response.getHeader('content-type') !== 'text/plain') throw new Error('no type')
    response.setHeader('Content-Encoding', 'gzip')
    response.removeHeader('Content-Length')
    gzip.on('data', (chunk: Buffer) => { if (!write(chunk)) gzip.pause() }).on('end', () => end())
    on('drain', () => gzip.resume())
  })
}

t.test('a head that cannot be sent leaves nothing on the response that is sent instead', async t => {
  for (const settings of Object.values(WAYS)) {
    const running = await start(t, { ...settings, setup: app => { app.addHook('preHandler', async (_request, reply) => { reply.header('x-bad', 'a\nb') }) } })
    running.client.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
    const server = await running.target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nX-Of-Target: 1\r\nContent-Length: 0\r\n\r\n')
    await running.client.some()
    running.gateway.app.server.closeAllConnections()
    t.notMatch(await running.client.rest(), /X-Of-Target/i)
  }
})

// Issue 8, item 13
for (const direct of [true, false]) {
  for (const [way, settings] of Object.entries(WAYS)) {
    t.test(`onResponse hooks and serializers of the log see what was sent, ${way}${direct ? '' : ', through Fastify'}`, async t => {
      directResponses.enabled = direct
      t.teardown(() => { directResponses.enabled = true })
      const seen: object[] = []
      const logged: object[] = []
      const told = (reply: FastifyReply): object => ({
        status: reply.statusCode,
        length: reply.getHeader('content-length'),
        cookies: reply.getHeader('Set-Cookie'),
        one: [reply.hasHeader('X-One'), reply.raw.getHeader('x-one'), reply.raw.hasHeader('X-One'), reply.getHeaders()['x-one'], reply.raw.getHeaders()['x-one']],
        both: reply.getHeader('x-both'),
        own: reply.getHeader('x-own'),
        names: reply.raw.getHeaderNames().includes('x-one'),
        disposition: reply.getHeader('content-disposition'),
        none: [reply.getHeader('x-none'), reply.hasHeader('x-none')]
      })
      const running = await start(t, {
        ...settings,
        fastify: { logger: { level: 'info', stream: { write: line => { const { res } = JSON.parse(line) as { res?: object }; if (res !== undefined) logged.push(res) } }, serializers: { res: reply => told(reply as unknown as FastifyReply) as never } } },
        setup: app => {
          app.addHook('preHandler', async (_request, reply) => { reply.header('x-both', 'hook').header('x-own', 'hook').header('set-cookie', 'h=1') })
          app.addHook('onResponse', async (_request, reply) => { seen.push(told(reply)) })
        }
      })
      const expected = {
        status: 203,
        length: '2',
        one: [true, '1', true, '1', '1'],
        both: 'target',
        own: 'hook',
        names: true,
        disposition: VALUES[0],
        none: [undefined, false]
      }
      await respond(t, running, ['HTTP/1.1 203 Fine', 'Content-Length: 2', `Content-Disposition: ${VALUES[0]}`, 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-One: 1', 'X-Both: target'], 'ok')
      // The response may be there before the hooks have run.
      await new Promise(resolve => setImmediate(resolve))
      t.match(seen, [expected])
      t.match(logged, [expected])
      t.strictSame([...(seen[0] as { cookies: string[] }).cookies].sort(), ['a=1', 'b=2', 'h=1'])
    })
  }
}

t.test('behind a session, onResponse hooks see the 101', async t => {
  const seen: object[] = []
  const { client, target, gateway } = await start(t, {
    setup: app => {
      app.addHook('preHandler', async (_request, reply) => { reply.header('x-own', 'hook').header('x-both', 'hook') })
      app.addHook('onResponse', async (_request, reply) => { seen.push({ status: reply.statusCode, raw: { ...reply.raw.getHeaders() }, ...reply.getHeaders() }) })
    }
  })
  client.write(handshake())
  const server = await target.next()
  server.write(goodResponse(await server.head(), ['X-One: 1', 'X-Both: target']))
  await client.head()
  server.end()
  client.end()
  await gateway.ended()
  t.match(seen, [{ status: 101, upgrade: 'websocket', 'x-one': '1', 'x-both': 'target', 'x-own': 'hook', raw: { 'x-one': '1', 'x-own': 'hook' } }])
})
