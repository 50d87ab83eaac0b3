import t from 'tap'
import { startGateway } from '../../helpers/gateway.js'
import { rawTarget } from '../../helpers/raw-target.js'
import { Wire, valuesOf } from '../../helpers/wire.js'

// Issue 8, item 18

const get = (path: string, lines = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('a target gets no more connections than it may; the others wait their turn', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxConnections: 2 } })
  const clients: Wire[] = []
  for (let index = 0; index < 6; index++) {
    const client = await Wire.connect(t, gateway.port)
    const routed = new Promise(resolve => gateway.app.server.once('request', resolve))
    client.write(get(`/${index}`))
    await routed
    clients.push(client)
  }
  const servers = [await target.next(), await target.next()]
  for (let index = 0; index < 6; index++) {
    const server = servers[index % 2]!
    t.equal((await server.head()).start, `GET /${index} HTTP/1.1`)
    server.write(OK)
    t.equal((await clients[index]!.head()).start, 'HTTP/1.1 200 OK')
  }
  t.equal(target.connections, 2)
})

t.test('where a connection ends, another is made for the one that waits', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxConnections: 1 } })
  const clients = await Promise.all(Array.from({ length: 3 }, () => Wire.connect(t, gateway.port)))
  for (const client of clients) client.write(get('/'))
  for (const end of ['with its client', 'behind its response', 'kept']) {
    const server = await target.next()
    await server.head()
    if (end === 'with its client') clients[0]!.reset()
    else server.write(OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  }
  for (const client of clients.slice(1)) t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  t.equal(target.connections, 3)
})

t.test('beyond the queue, and behind its time, a request is 503', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxConnections: 1, maxQueue: 1, queueTimeout: 100 } })
  const clients = await Promise.all(Array.from({ length: 3 }, () => Wire.connect(t, gateway.port)))
  clients[0]!.write(get('/'))
  const server = await target.next()
  await server.head()
  const routed = new Promise(resolve => gateway.app.server.once('request', resolve))
  clients[1]!.write(get('/'))
  await routed
  const began = performance.now()
  clients[2]!.write(get('/'))
  const full = await clients[2]!.head()
  t.equal(full.start, 'HTTP/1.1 503 Service Unavailable')
  t.same(valuesOf(full, 'retry-after'), ['1'])
  t.match((await clients[2]!.bytes(Number(valuesOf(full, 'content-length')[0]))).toString(), 'SLUICE_TARGET_BUSY')
  const late = await clients[1]!.head()
  t.equal(late.start, 'HTTP/1.1 503 Service Unavailable')
  t.ok(performance.now() - began > 50)
  server.write(OK)
  t.equal((await clients[0]!.head()).start, 'HTTP/1.1 200 OK')
  t.equal(target.connections, 1)
})

t.test('one that its client gives up waits no longer, and a closing upstream ends the queue', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxConnections: 1 } })
  const clients = await Promise.all(Array.from({ length: 3 }, () => Wire.connect(t, gateway.port)))
  for (const [index, client] of clients.entries()) {
    const routed = new Promise(resolve => gateway.app.server.once('request', resolve))
    client.write(get(`/${index}`))
    await routed
  }
  const server = await target.next()
  await server.head()
  const left = new Promise<void>(resolve => { gateway.app.server.getConnections(() => resolve()) })
  await left
  clients[1]!.reset()
  await new Promise<void>(resolve => {
    const check = () => gateway.app.server.getConnections((_error, count) => { if (count === 2) resolve(); else setImmediate(check) })
    check()
  })
  server.write(OK)
  t.equal((await server.head()).start, 'GET /2 HTTP/1.1')
  server.write(OK)
  t.equal((await clients[2]!.head()).start, 'HTTP/1.1 200 OK')
})

t.test('a full target is passed over where another has room', async t => {
  const targets = [await rawTarget(t), await rawTarget(t)]
  const gateway = await startGateway(t, { targets: targets.map(({ url }) => url), upstream: { maxConnections: 1, maxQueue: 0 } })
  const clients = await Promise.all(Array.from({ length: 3 }, () => Wire.connect(t, gateway.port)))
  clients[0]!.write(get('/'))
  const first = await targets[0]!.next()
  await first.head()
  clients[1]!.write(get('/'))
  await (await targets[1]!.next()).head()
  clients[2]!.write(get('/'))
  t.equal((await clients[2]!.head()).start, 'HTTP/1.1 503 Service Unavailable')
  first.write(OK)
  await clients[0]!.head()
  // Both turns come.
  for (let count = 0; count < 2; count++) {
    const client = await Wire.connect(t, gateway.port)
    client.write(get('/again'))
    t.equal((await first.head()).start, 'GET /again HTTP/1.1')
    first.write(OK)
    t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
  }
})

t.test('connections that wait for clients which have authenticated on them make room for others', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxConnections: 1 } })
  const [bound, other] = [await Wire.connect(t, gateway.port), await Wire.connect(t, gateway.port)]
  bound.write(get('/', 'Authorization: NTLM x\r\n'))
  const server = await target.next()
  await server.head()
  server.write(OK)
  await bound.head()
  other.write(get('/other'))
  const next = await target.next()
  t.equal((await next.head()).start, 'GET /other HTTP/1.1')
  next.write(OK)
  t.equal((await other.head()).start, 'HTTP/1.1 200 OK')
})
