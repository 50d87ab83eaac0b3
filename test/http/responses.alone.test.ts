import { EventEmitter, once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { gatewayApp, httpBackend } from '../helpers/backends.js'
import { resources, startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { rawExchange } from '../helpers/sockets.js'
import { Wire } from '../helpers/wire.js'

const wayNames = { directly: 'past Fastify', streamed: 'through the onSend hooks' }

/** A gateway whose responses go either way. */
async function gateway (t: Test, target: string, way: keyof typeof wayNames): Promise<number> {
  const app = await gatewayApp(t)
  if (way === 'streamed') app.addHook('onSend', async () => {})
  app.proxy('/*', { upstream: target })
  return Number(new URL(await app.listen({ port: 0 })).port)
}

/** A target that gives one connection after another the same bytes, and ends it. */
async function fixedTarget (t: Test, answer: string): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

for (const way of ['directly', 'streamed'] as const) {
  t.test(`a response keeps its headers' order, case and repetition, ${wayNames[way]}`, async t => {
    const lines = ['X-Zeta: 1', 'SERVER: Odd', 'Set-Cookie: a=1; Path=/', 'dAtE: Thu, 01 Jan 1970 00:00:00 GMT', 'Link: </a>', 'X-alpha: 2', 'Content-Length: 2']
    const target = await fixedTarget(t, `HTTP/1.1 200 Fine\r\n${lines.join('\r\n')}\r\n\r\nok`)
    const answer = await rawExchange(await gateway(t, target, way), GET)
    t.equal(answer, `HTTP/1.1 200 Fine\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\nok`)
  })

  t.test(`repeated headers are not folded, ${wayNames[way]}`, async t => {
    const target = await fixedTarget(t, 'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nLink: </a>\r\nSet-Cookie: b=2\r\nLink: </b>\r\nContent-Length: 0\r\n\r\n')
    const answer = await rawExchange(await gateway(t, target, way), GET)
    t.same(answer.match(/^(Set-Cookie|Link): .*$/gm)?.sort(), ['Link: </a>', 'Link: </b>', 'Set-Cookie: a=1', 'Set-Cookie: b=2'])
  })

  t.test(`a body without a length is chunked for HTTP/1.1 and ended by the end of the connection for HTTP/1.0, ${wayNames[way]}`, async t => {
    const target = await fixedTarget(t, 'HTTP/1.1 200 OK\r\n\r\nbody')
    const port = await gateway(t, target, way)
    t.match(await rawExchange(port, GET), /\r\nTransfer-Encoding: chunked\r\n[^]*\r\n4\r\nbody\r\n0\r\n\r\n$/)
    t.match(await rawExchange(port, 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'), /^(?![^]*chunked)[^]*\r\n\r\nbody$/)
  })

  t.test(`a body shorter than announced does not look complete, ${wayNames[way]}`, async t => {
    const target = await fixedTarget(t, 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbody')
    const answer = await rawExchange(await gateway(t, target, way), GET)
    t.match(answer, /\r\nContent-Length: 10\r\n[^]*\r\n\r\nbody$/)
  })

  t.test(`early hints come ahead of the response, ${wayNames[way]}`, async t => {
    const backend = await httpBackend(t, (_request, response) => {
      response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] }, () => response.end('text'))
    })
    const request = httpRequest({ port: await gateway(t, backend.url, way), host: '127.0.0.1', agent: false }).end()
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    const [information] = await once(request, 'information')
    t.equal(information.statusCode, 103)
    t.equal(information.headers.link, '</a.css>; rel=preload, </b.js>; rel=preload')
    const [answer] = await answered
    t.equal(answer.statusCode, 200)
    answer.resume()
    await once(answer, 'end')
  })

  t.test(`trailers follow the body, ${wayNames[way]}`, async t => {
    const backend = await httpBackend(t, (_request, response) => {
      response.write('text')
      response.addTrailers([['X-Checksum', 'abc'], ['Connection', 'x'], ['X-Checksum', 'def']])
      response.end()
    })
    const port = await gateway(t, backend.url, way)
    t.match(await rawExchange(port, GET), /4\r\ntext\r\n0\r\nX-Checksum: abc\r\nX-Checksum: def\r\n\r\n$/)
    t.match(await rawExchange(port, 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'), /\r\n\r\ntext$/, 'HTTP/1.0 has none')
  })
}

t.test('trailers go nowhere when a hook has put a text in the place of the body', async t => {
  const target = await fixedTarget(t, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Checksum: abc\r\n\r\n')
  const app = await gatewayApp(t)
  app.addHook('onSend', async (_request, reply, payload) => {
    await once((payload as Readable).resume(), 'end')
    reply.header('content-length', 4)
    return 'text'
  })
  app.proxy('/*', { upstream: target })
  t.match(await rawExchange(Number(new URL(await app.listen({ port: 0 })).port), GET), /^HTTP\/1.1 200 (?![^]*Checksum)[^]*\r\n\r\ntext$/)
})

t.test('a target that dies while an onSend hook takes its time breaks the response behind what has come of it, and not the process', async t => {
  const target = await rawTarget(t)
  const reached = new EventEmitter()
  const { port } = await startGateway(t, {
    targets: [target.url],
    setup: app => app.addHook('onSend', (_request, _reply, _payload, done) => {
      reached.once('dead', () => done())
      reached.emit('hook')
    })
  })
  const client = await Wire.connect(t, port)
  client.write(GET)
  const server = await target.next()
  const inHook = once(reached, 'hook')
  server.write('HTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\nthe')
  await inHook
  const before = resources().sockets
  server.reset()
  // Both ends of the connection: the gateway has noticed.
  while (resources().sockets > before - 2) await nextTurn()
  reached.emit('dead')
  t.match(await client.rest(), /^HTTP\/1.1 200 Fine\r\n(.+\r\n)+\r\nthe$/)
})

t.test('the reason phrase of a target does not stay where a hook fails or sets another status', async t => {
  const target = await fixedTarget(t, 'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok')
  for (const [hook, start] of [
    [async () => { throw new Error('no') }, 'HTTP/1.1 500 Internal Server Error'],
    [async (_request: unknown, reply: { code (status: number): void }) => { reply.code(202) }, 'HTTP/1.1 202 Accepted'],
    [async () => {}, 'HTTP/1.1 200 Fine']
  ] as Array<[() => Promise<void>, string]>) {
    const { port } = await startGateway(t, { targets: [target], setup: app => app.addHook('onSend', hook) })
    t.equal((await rawExchange(port, GET)).split('\r\n')[0], start)
  }
})

t.test('a body that an onSend hook puts another in place of may break off', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, {
    targets: [target.url],
    setup: app => app.addHook('onSend', (_request, _reply, _payload, done) => done(null, 'another'))
  })
  const client = await Wire.connect(t, port)
  client.write(GET)
  const server = await target.next()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe')
  t.match(await client.rest(), /\r\n\r\nanother$/)
  await server.over()
})

t.test('a hook that keeps what is written to the response keeps it unchanged', async t => {
  const target = await rawTarget(t)
  const written: Buffer[] = []
  const { port } = await startGateway(t, {
    targets: [target.url],
    setup: app => app.addHook('onRequest', (_request, { raw }, done) => {
      const { write, end } = raw
      raw.write = (chunk: Buffer) => {
        written.push(chunk)
        return write.call(raw, chunk, 'latin1')
      }
      raw.end = ((chunk?: Buffer) => {
        if (chunk !== undefined) written.push(chunk)
        return end.call(raw, chunk, 'latin1')
      }) as typeof end
      done()
    })
  })
  const body = Buffer.alloc(400_000)
  for (let index = 0; index < body.length; index += 4) body.writeUInt32BE(index, index)
  const client = await Wire.connect(t, port)
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const server = await target.next()
  server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`).write(body)
  await client.head()
  t.ok((await client.bytes(body.length)).equals(body))
  t.ok(Buffer.concat(written).equals(body))
})

t.test('a head that cannot be sent on is 502', async t => {
  const target = await fixedTarget(t, 'HTTP/1.1 200 O\x7fK\r\nX-A: b\x7f\r\nContent-Length: 0\r\n\r\n')
  t.match(await rawExchange(await gateway(t, target, 'directly'), GET), /^HTTP\/1.1 502 Bad Gateway\r\n/)
})

t.test('requests behind one another on a connection are answered in order', async t => {
  const backend = await httpBackend(t, (request, response) => { response.end(`<${request.url}>`) })
  const socket = connect({ port: await gateway(t, backend.url, 'directly'), host: '127.0.0.1' })
  socket.write(['/1', '/2', '/3'].map(path => `GET ${path} HTTP/1.1\r\nHost: x\r\n${path === '/3' ? 'Connection: close\r\n' : ''}\r\n`).join(''))
  let received = ''
  for await (const chunk of socket) received += String(chunk)
  t.same(received.match(/<\/\d>/g), ['</1>', '</2>', '</3>'])
})

t.test('early hints that the client does not read are not kept for it, and a flood of them ends the exchange', async t => {
  const target = await rawTarget(t)
  const client = await Wire.connect(t, await gateway(t, target.url, 'directly'))
  client.write(GET).socket.pause()
  const server = await target.next()
  await server.head()
  server.socket.on('error', () => {})
  server.write(Buffer.from(`HTTP/1.1 103 Early Hints\r\nLink: </${'a'.repeat(8000)}>\r\n\r\n`.repeat(8000)))
  await server.over()
  client.socket.resume()
  let head = await client.head()
  let hints = 0
  for (; head.start === 'HTTP/1.1 103 Early Hints'; head = await client.head()) hints++
  t.equal(head.start, 'HTTP/1.1 502 Bad Gateway')
  t.ok(hints <= 8, `${hints} hints`)
})
