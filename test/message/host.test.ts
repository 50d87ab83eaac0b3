import t from 'tap'
import type { AddressInfo } from 'node:net'
import { isHost } from '../../src/message/host.js'
import { gatewayApp, echoBackend, type Seen } from '../helpers/backends.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { Wire, valuesOf } from '../helpers/wire.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'

// Issue 8, item 25.

const good = ['a.test', 'a.test:80', 'a.test:', '127.0.0.1:8080', '[::1]', '[::1]:443', '[fe80::1%25eth0]', 'my_service:3000', 'xn--bcher-kva.test', 'a%20b', '-', '']
const bad = ['a b', 'a/b', 'user@a', 'a,b', '"a"', "'a'", 'a:b', 'a:65536', 'a:1:2', '[::1', '::1]', 'a\\b', 'a?b', 'a#b', 'h\xe9', 'a:-1', '[]', 'http://a']

t.test('what a host is', async t => {
  for (const host of good) t.equal(isHost(host), true, host)
  for (const host of bad) t.equal(isHost(host), false, host)
  t.equal(isHost(undefined), true)
})

t.test('a Host that is not one is 400, before hooks of the app, for requests, handshakes and what no route matches', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  const seen: string[] = []
  app.addHook('onRequest', async request => { seen.push(request.url) })
  app.proxy('/t/*', { upstream: backend.url, websocket: true })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  for (const host of bad) {
    for (const path of ['/t/a', '/404']) {
      const answer = await exchange(t, port, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1'))
      t.equal(answer.status, 400, `${host} ${path}`)
      t.match(answer.body, /SLUICE_REQUEST_INVALID/)
    }
    t.equal((await exchange(t, port, Buffer.from(handshake({ path: '/t/ws', headers: { Host: host } }), 'latin1'))).status, 400)
  }
  t.same(seen, [])
  for (const host of good) t.equal((await exchange(t, port, `GET /t/a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).status, 200, host)
})

t.test('of headers with one value, two are never both relayed', async t => {
  const backend = await echoBackend(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: backend.url, websocket: true })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const ask = (...lines: string[]) => exchange(t, port, `GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`)
  for (const name of ['Authorization', 'Content-Type', 'If-Modified-Since', 'If-Unmodified-Since', 'Origin']) {
    t.equal((await ask(`${name}: a`, 'X: 1', `${name.toUpperCase()}: b`)).status, 400, name)
    t.equal((await ask(`${name}: a`)).status, 200, name)
  }
  t.equal((await exchange(t, port, handshake({ lines: ['Authorization: a', 'authorization: b'] }))).status, 400)
  for (const name of ['User-Agent', 'Referer', 'From', 'Max-Forwards']) {
    const { rawHeaders } = JSON.parse((await ask(`${name}: 1`, `${name}: 2`)).body) as Seen
    t.same(rawHeaders.filter((_item, index) => rawHeaders[index - 1] === name), ['1'], `${name}: the one that hooks have seen`)
  }
  t.equal((await ask('Accept: a', 'Accept: b', 'X: 1', 'X: 2')).status, 200)
})

t.test('Issue 8, item 15: the authority of a whole URL takes the place of Host, for hooks and for the target', async t => {
  const target = await rawTarget(t)
  const app = await gatewayApp(t)
  const hosts: string[] = []
  app.addHook('onRequest', async request => { hosts.push(`${request.host} ${request.url}`) })
  app.proxy('/*', { upstream: target.url, websocket: true })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await Wire.connect(t, (app.server.address() as AddressInfo).port)
  client.write('GET http://whole.test:81/a?b HTTP/1.1\r\nhOST: other.test\r\n\r\n')
  const server = await target.next()
  const request = await server.head()
  t.equal(request.start, 'GET /a?b HTTP/1.1')
  t.same(valuesOf(request, 'host'), ['whole.test:81'])
  t.same(valuesOf(request, 'x-forwarded-host'), ['whole.test:81'])
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  await client.head()
  client.write(handshake({ start: 'GET http://ws.test/ws HTTP/1.1' }))
  const second = await target.next()
  const upgrade = await second.head()
  t.equal(upgrade.start, 'GET /ws HTTP/1.1')
  t.same(valuesOf(upgrade, 'host'), ['ws.test'])
  second.write(goodResponse(upgrade))
  t.match((await client.head()).start, '101')
  t.same(hosts, ['whole.test:81 /a?b', 'ws.test /ws'])
})
