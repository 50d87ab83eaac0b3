import { once } from 'node:events'
import { duplexPair, type Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { startGateway, type GatewaySettings, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { frame, masked } from '../helpers/wire.js'

// Issue 8, item 17: every kind of connection. Node's server takes any Duplex (the event 'connection'), which need
// not have a timeout, an address or a way to be reset.

interface Injected { gateway: RunningGateway, target: RawTarget, client: Duplex, gone: Promise<unknown>, received: () => string }

async function connectDuplex (t: Test, settings: Partial<GatewaySettings> = {}): Promise<Injected> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], ...settings })
  const [client, server] = duplexPair()
  t.teardown(() => { client.destroy() })
  let received = ''
  client.on('data', (chunk: Buffer) => { received += chunk.toString('latin1') }).on('error', () => {})
  gateway.app.server.emit('connection', server)
  // Not every Node tells the other side of such a pair.
  return { gateway, target, client, gone: once(server, 'close'), received: () => received }
}

async function until (client: Duplex, condition: () => boolean): Promise<void> {
  while (!condition()) await once(client, 'data')
}

t.test('a refusal is relayed over a connection that is not a socket', async t => {
  const { target, client, received } = await connectDuplex(t)
  const ended = once(client, 'end')
  client.write(handshake())
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Of-Target: 1\r\n\r\nno')
  await ended
  t.match(received(), /^HTTP\/1\.1 403 Forbidden\r\n[^]*X-Of-Target: 1\r\n[^]*\r\n\r\nno$/i)
})

t.test('a refusal that breaks off ends it', async t => {
  const { target, client, gone, received } = await connectDuplex(t)
  client.write(handshake())
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 200\r\n\r\nno')
  await until(client, () => received().endsWith('no'))
  server.end()
  await gone
  t.match(received(), /^HTTP\/1\.1 403 Forbidden\r\n/)
})

t.test('a refusal that stands still is broken off', async t => {
  const { target, client, gone, received } = await connectDuplex(t, { upstream: { bodyTimeout: 200 } })
  client.write(handshake())
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 200\r\n\r\nno')
  await gone
  t.match(received(), /^HTTP\/1\.1 403 Forbidden\r\n/)
  server.end()
  await server.gone()
})

t.test('a request, and a session behind it, pass over it', async t => {
  const { gateway, target, client, received } = await connectDuplex(t)
  client.write(`GET /first HTTP/1.1\r\nHost: x\r\n\r\n${handshake()}`)
  const first = await target.next()
  t.match(await first.head(), { start: 'GET /first HTTP/1.1' })
  first.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst')
  await until(client, () => received().endsWith('first'))
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  await until(client, () => /101[^]*\r\n\r\n$/.test(received()))
  client.write(masked(0x82, 'there'))
  t.equal((await server.frame()).payload.toString(), 'there')
  server.write(frame(0x82, 'back'))
  await until(client, () => received().endsWith('back'))
  client.end()
  server.end()
  await gateway.ended()
})

t.test('app.inject() of a handshake is refused before a target is asked', async t => {
  const target = await rawTarget(t)
  const { app } = await startGateway(t, { targets: [target.url] })
  const response = await app.inject({ url: '/', headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' } })
  t.match({ status: response.statusCode, ...response.json() }, { status: 400, code: 'SLUICE_HANDSHAKE_INVALID' })
  t.equal(target.connections, 0)
})
