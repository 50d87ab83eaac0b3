import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import t from 'tap'
import { httpBackend } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf } from '../helpers/wire.js'

// Issue 8, item 18

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

for (const way of ['directly', 'through onSend hooks'] as const) {
  for (const answer of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe', `HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n${'x'.repeat(1_000_000)}`]) {
    t.test(`a client that leaves takes along the requests behind its first one; ${answer.length} bytes of a response, ${way}`, async t => {
      const target = await rawTarget(t)
      const closed: string[] = []
      const gateway = await startGateway(t, {
        targets: [target.url],
        setup: app => {
          if (way !== 'directly') app.addHook('onSend', async () => {})
          app.addHook('onRequest', async (request, reply) => { reply.raw.once('close', () => closed.push(request.url)) })
        }
      })
      const client = await Wire.connect(t, gateway.port)
      client.write(get('/1') + get('/2') + 'POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe')
      const server = await target.next()
      t.equal((await server.head()).start, 'GET /1 HTTP/1.1')
      server.write(answer)
      client.reset()
      await server.over()
      await gateway.idle()
      t.same(closed.sort(), ['/1', '/2', '/3'])
      t.equal(target.connections, 1, 'the others have not gone out')
      t.notOk(gateway.log.some(({ level }) => Number(level) >= 50), 'no error is logged')
    })
  }
}

t.test('2,500 requests in a row take one connection to the target, and others are served meanwhile', async t => {
  let connections = 0
  const served: string[] = []
  const backend = await httpBackend(t, (request, response) => {
    served.push(request.url!)
    response.end(request.url)
  })
  backend.server.on('connection', () => { connections++ })
  const gateway = await startGateway(t, { targets: [backend.url], fastify: { logger: false } })
  const client = await Wire.connect(t, gateway.port)
  const paths = Array.from({ length: 2_500 }, (_item, index) => `/${index}`)
  client.write(paths.map(get).join(''))
  await client.head()
  const other = await Wire.connect(t, gateway.port)
  other.write(get('/other'))
  await other.head()
  t.ok(served.length < 2_000, `the other client was served among the first, ${served.length}`)
  client.write('GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const bodies = (await client.rest()).split('\r\n').filter(line => line.startsWith('/')).map(line => /^\/[0-9a-z]+?(?=HTTP|$)/.exec(line)![0])
  t.same(bodies, [...paths, '/last'], 'each in its turn')
  t.equal(connections, 2, 'one for each client')
})

t.test('behind a request that is not answered, no more than a number and what was read along are taken', async t => {
  const target = await rawTarget(t)
  let requests = 0
  const gateway = await startGateway(t, { targets: [target.url], fastify: { logger: false }, setup: app => { app.addHook('onRequest', async () => { requests++ }) } })
  const client = await Wire.connect(t, gateway.port)
  // More than the system takes from a client that is not read.
  const many = 400_000
  const request = get('/')
  let written = 0
  for (; written < many; written += 1_000) {
    const taken = client.socket.write(request.repeat(1_000))
    if (taken || client.socket.writableLength < 1_000_000) continue
    // It is read no further.
    const drained = await Promise.race([once(client.socket, 'drain').then(() => true), new Promise(resolve => setTimeout(() => resolve(false), 500).unref())])
    if (drained === false) break
  }
  t.ok(written < many, 'the gateway stops to read')
  t.ok(requests >= 100, `${requests} requests`)
  t.ok(requests <= 101 + 2 * 65_536 / request.length, `${requests} requests`)
  const first = await target.next()
  for (let count = 0; count < 200; count++) {
    await first.head()
    first.write(ok('x'))
    await client.head()
    t.equal((await client.bytes(1)).toString(), 'x')
  }
  t.equal(target.connections, 1)
  t.ok(requests <= 301 + 3 * 65_536 / request.length, `as it is answered, it may send more: ${requests} requests`)
  // The leaving of a client that is not read is noticed with the next response.
  client.reset()
  await first.head()
  first.write(ok('x'))
  await first.over()
})

t.test('heads, bodies and expectations in a row, each in its turn', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(`HEAD /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody${get('/..')}POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n`)
  const first = await target.next()
  t.equal((await first.head()).start, 'HEAD /1 HTTP/1.1')
  first.write('HTTP/1.1 200 First\r\nContent-Length: 5\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 200 First')
  // A connection that has carried a response to HEAD carries no other client's.
  const second = await target.next()
  t.equal((await second.head()).start, 'POST /2 HTTP/1.1')
  t.equal((await second.bytes(4)).toString(), 'body')
  second.write(ok('two'))
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal((await client.bytes(3)).toString(), 'two')
  const refused = await client.head()
  t.equal(refused.start, 'HTTP/1.1 400 Bad Request')
  await client.bytes(Number(refused.headers.find(([name]) => name === 'content-length')![1]))
  t.equal((await second.head()).start, 'POST /3 HTTP/1.1')
  second.write('HTTP/1.1 100 Continue\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 100 Continue')
  client.write('late')
  t.equal((await second.bytes(4)).toString(), 'late')
  second.write(ok('three'))
  t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('what fails in its turn is answered, and the request behind it served', async t => {
  const target = await rawTarget(t)
  const failing = (value: string | undefined) => { if (value === '1') throw Object.assign(new Error('enough'), { statusCode: 429 }); return value }
  const gateway = await startGateway(t, { targets: [target.url], route: { headers: { request: { 'X-Fail': failing } } } })
  const client = await Wire.connect(t, gateway.port)
  client.write(get('/1') + 'POST /2 HTTP/1.1\r\nHost: x\r\nX-Fail: 1\r\nContent-Length: 4\r\n\r\nbody' + get('/3'))
  const server = await target.next()
  for (const path of ['/1', '/3']) {
    t.equal((await server.head()).start, `GET ${path} HTTP/1.1`)
    server.write(ok(path))
    t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
    t.equal((await client.bytes(2)).toString(), path)
    if (path === '/3') break
    const refused = await client.head()
    t.match(refused.start, /429/)
    await client.bytes(Number(refused.headers.find(([name]) => name === 'content-length')![1]))
  }
})

t.test('a request goes out in its own async context, not in that of the one before it', async t => {
  const target = await rawTarget(t)
  const context = new AsyncLocalStorage<string>()
  const gateway = await startGateway(t, {
    targets: [target.url],
    setup: app => { app.addHook('onRequest', (request, _reply, done) => { context.run(request.url, done) }) },
    route: { headers: { request: { 'X-Context': () => context.getStore() } } }
  })
  const client = await Wire.connect(t, gateway.port)
  client.write(get('/1') + get('/2') + get('/3'))
  const server = await target.next()
  for (const path of ['/1', '/2', '/3']) {
    t.same(valuesOf(await server.head(), 'x-context'), [path])
    server.write(ok(path))
    await client.head()
    await client.bytes(2)
  }
})
