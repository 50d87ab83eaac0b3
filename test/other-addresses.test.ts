import dns from 'node:dns'
import { connect } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { startGateway, type RunningGateway } from './helpers/gateway.js'
import { handshake } from './helpers/raw-client.js'
import { goodAnswer, rawTarget, type RawTarget } from './helpers/raw-target.js'
import { Wire } from './helpers/wire.js'

/** A gateway that listens on localhost, where that is both 127.0.0.1 and ::1, and a client of the latter. */
async function start (t: Test): Promise<{ gateway: RunningGateway, target: RawTarget, client: Wire, connectAgain: () => Promise<Wire> }> {
  const { lookup } = dns
  t.teardown(() => { dns.lookup = lookup })
  dns.lookup = ((host: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as (error: Error | null, ...found: unknown[]) => void
    const both = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]
    if (host !== 'localhost') (lookup as (...given: unknown[]) => void)(host, ...rest)
    else if ((rest[0] as dns.LookupOptions).all === true) callback(null, both)
    else callback(null, both[0]!.address, 4)
  }) as typeof dns.lookup
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], listen: { port: 0, host: 'localhost' } })
  t.match(gateway.app.addresses(), [{ address: '::1' }, { address: '127.0.0.1' }])
  const connectAgain = async (): Promise<Wire> => {
    const socket = connect({ port: gateway.port, host: '::1', allowHalfOpen: true })
    await once(socket, 'connect')
    return new Wire(t, socket)
  }
  return { gateway, target, client: await connectAgain(), connectAgain }
}

t.test('a WebSocket and a request on the second address', async t => {
  const { target, client, connectAgain } = await start(t)
  client.write(handshake())
  const server = await target.next()
  server.write(goodAnswer(await server.head()))
  t.equal((await client.head()).start, 'HTTP/1.1 101 Switching Protocols')
  const other = await connectAgain()
  other.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const served = await target.next()
  t.ok((await served.head()).headers.some(([name, value]) => name === 'X-Forwarded-For' && value === '::1'))
  served.write('HTTP/1.1 204 No Content\r\n\r\n')
  t.equal((await other.head()).start, 'HTTP/1.1 204 No Content')
})

t.test('an expectation on the second address is left to the target', async t => {
  const { target, client } = await start(t)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  const server = await target.next()
  await server.head()
  t.equal(client.length, 0)
  server.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 401 Unauthorized')
})

t.test('garbage behind a request on the second address is answered in its turn', async t => {
  const { target, client } = await start(t)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nokHTTP\/1.1 400 Bad Request\r\n/)
})

t.test('close() does not wait for an unused connection to the second address', async t => {
  const { gateway, client } = await start(t)
  await gateway.app.close()
  await client.over()
})
