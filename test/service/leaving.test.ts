import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { GatewayConfig } from '../../src/options/index.js'
import { locateInObject } from '../../src/service/places.js'
import { openGateway, type RunningGateway } from '../../src/service/running-gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { closed, nextMessage } from '../helpers/sockets.js'
import { valuesOf, Wire } from '../helpers/wire.js'

/*
 * Issue 12: how a worker leaves, whose place another one has taken, whatever its clients and targets do meanwhile.
 */

interface Leaving { gateway: RunningGateway, target: RawTarget, port: number }

async function start (t: Test, config: GatewayConfig = {}): Promise<Leaving> {
  const target = await rawTarget(t)
  const gateway = openGateway({
    config: { listen: { port: 0 }, drainTimeout: 60_000, ...config, routes: [{ url: '/*', upstream: target.url, websocket: true }] },
    locate: locateInObject,
    demo: false,
    logger: false
  })
  t.teardown(() => gateway.close())
  const { port } = new URL(await gateway.listen())
  return { gateway, target, port: Number(port) }
}

/** A session, with its client and the connection to its target. */
async function session ({ target, port }: Leaving): Promise<{ client: WebSocket, upstream: Wire }> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  const open = once(client, 'open')
  const upstream = await target.next()
  upstream.write(goodResponse(await upstream.head()))
  await open
  return { client, upstream }
}

t.test('it refuses new connections, serves a request on one that is open, and closes that behind the response', async t => {
  const leaving = await start(t)
  const { gateway, target, port } = leaving
  const used = await Wire.connect(t, port)
  const unused = await Wire.connect(t, port)
  used.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
  const upstream = await target.next()
  await upstream.head()
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.same(valuesOf(await used.head(), 'connection'), ['keep-alive'])
  t.equal(String(await used.bytes(2)), 'hi')

  const left = gateway.leave({ keepSessions: false })
  t.equal(gateway.state, 'stopping')
  const refused = connect(port, '127.0.0.1')
  const [error] = await once(refused, 'error') as [NodeJS.ErrnoException]
  t.equal(error.code, 'ECONNREFUSED')
  used.write('GET /second HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match((await upstream.head()).start, 'GET /second')
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho')
  t.same(valuesOf(await used.head(), 'connection'), ['close'])
  t.equal(await used.rest(), 'ho')
  t.equal(await unused.rest(), '', 'nothing has come on it')
  await left
})

t.test('a handshake under way is not refused: its session opens, and ends with 1012', async t => {
  const { gateway, target, port } = await start(t)
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  const open = once(client, 'open')
  const end = closed(client)
  const upstream = await target.next()
  const head = await upstream.head()
  const left = gateway.leave({ keepSessions: false })
  upstream.write(goodResponse(head))
  await open
  t.equal((await end).code, 1012)
  upstream.end()
  await left
})

t.test('a handshake under way while sessions are kept: its session goes on', async t => {
  const { gateway, target, port } = await start(t)
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  const open = once(client, 'open')
  const upstream = await target.next()
  const head = await upstream.head()
  const left = gateway.leave({ keepSessions: true })
  upstream.write(goodResponse(head))
  await open
  const message = nextMessage(client)
  upstream.write(Buffer.from([0x81, 2, 0x68, 0x69]))
  t.equal(await message, 'hi')
  client.terminate()
  await upstream.over()
  upstream.end()
  await left
})

t.test('drainCode false ends sessions without a Close', async t => {
  const leaving = await start(t, { drainCode: false })
  const { client, upstream } = await session(leaving)
  const end = closed(client)
  const left = leaving.gateway.leave({ keepSessions: false })
  t.equal((await end).code, 1006)
  upstream.end()
  await left
})

t.test('what stalls is cut after drainTimeout: a client that does not read, a half of a request, a target that does not respond', async t => {
  const leaving = await start(t, { drainTimeout: 300 })
  const { gateway, target, port } = leaving
  const { client, upstream } = await session(leaving)
  client.pause()
  upstream.write(Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 4, 0, 0, 0]), Buffer.alloc(1_000_000)]))
  const half = await Wire.connect(t, port)
  half.write('GET /half HTTP/1.1\r\nHost: a\r\n')
  const silent = await Wire.connect(t, port)
  silent.write('GET /silent HTTP/1.1\r\nHost: a\r\n\r\n')
  await (await target.next()).head()
  const begun = performance.now()
  await gateway.leave({ keepSessions: false })
  t.ok(performance.now() - begun < 10_000)
  t.equal(gateway.app.gateway.sessions.size, 0)
  client.terminate()
})

t.test('a client or a target that resets or half-closes meanwhile holds nothing up', async t => {
  const leaving = await start(t)
  const { gateway, target, port } = leaving
  const one = await session(leaving)
  const other = await session(leaving)
  const pending = await Wire.connect(t, port)
  pending.write(handshake())
  const upstream = await target.next()
  await upstream.head()
  const asking = await Wire.connect(t, port)
  asking.write('GET /last HTTP/1.1\r\nHost: a\r\n\r\n')
  await (await target.next()).head()
  const left = gateway.leave({ keepSessions: true })
  // Node takes that for the end of the client, as nginx does.
  asking.end()
  one.client.on('error', () => {}).terminate()
  other.client.on('error', () => {})
  other.upstream.reset()
  pending.reset()
  await one.upstream.over()
  one.upstream.end()
  await left
})
