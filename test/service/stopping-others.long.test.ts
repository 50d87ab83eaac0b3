import t from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse } from '../helpers/raw-target.js'
import { startStopping } from '../helpers/stopping.js'
import { stuckClients } from '../helpers/stuck-clients.js'
import { Wire } from '../helpers/wire.js'

/*
 * Issue 8, item 33: SIGTERM, where it is not one client of plain HTTP over one address.
 */

t.test('an evicted upstream under way', async t => {
  const { target, connect, checkStop } = await startStopping(t)
  const client = await connect()
  client.write(`GET /chosen HTTP/1.1\r\nHost: a\r\nX-Target: ${target.url}\r\n\r\n`)
  const server = await target.next()
  await server.head()
  const others = await connect()
  for (let port = 1; port <= 256; port++) {
    others.write(`GET /chosen HTTP/1.1\r\nHost: a\r\nX-Target: http://127.0.0.1:${port}\r\n\r\n`)
    const { start, headers } = await others.head()
    if (!start.startsWith('HTTP/1.1 502 ')) t.fail(start)
    await others.bytes(Number(headers.find(([name]) => name.toLowerCase() === 'content-length')![1]))
  }
  await checkStop()
  await server.over()
})

t.test('TLS', async t => {
  const { certFile: cert, keyFile: key } = await selfSigned(t, 'IP:127.0.0.1')
  t.test('a connection without a byte', async t => {
    const { raw, checkStop } = await startStopping(t, { tls: { cert, key } })
    await raw()
    await checkStop()
  })
  t.test('half a ClientHello', async t => {
    const { raw, checkStop } = await startStopping(t, { tls: { cert, key } })
    const socket = await raw()
    // A record of 512 bytes of which 3 have come.
    await new Promise<void>(resolve => socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]), () => resolve()))
    await checkStop()
  })
  t.test('all the others at once', async t => {
    const { checkStop, ...service } = await startStopping(t, { tls: { cert, key } })
    await beginAll(service)
    await checkStop()
  })
})

// Fastify has another server for the second address.
t.test('both addresses of localhost, with all stuck clients at once on the second', async t => {
  const { checkStop, target, connect } = await startStopping(t, { host: 'localhost' })
  await beginAll({ target, connect: () => connect('::1') })
  await beginAll({ target, connect: () => connect('127.0.0.1') })
  await checkStop()
})

t.test('the second address of localhost: a session ends with a Close, and its client need not say the same', async t => {
  const { checkStop, target, connect } = await startStopping(t, { host: 'localhost' })
  const client: Wire = await connect('::1')
  client.write(handshake())
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  await client.head()
  const stopped = checkStop()
  for (const wire of [client, server]) t.equal(await wire.close(), '1012')
  await stopped
  for (const wire of [client, server]) t.equal(await wire.rest(), '')
})

/** One after another: each waits for its own request to the target. */
async function beginAll (settings: Parameters<typeof stuckClients[string]>[0]): Promise<void> {
  // It would be given the requests of the others.
  const { 'a client that asks again and again': _, ...others } = stuckClients
  for (const begin of Object.values(others)) await begin(settings)
}
