import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway } from '../helpers/gateway.js'
import { Wire } from '../helpers/wire.js'

t.test('a connection without a request does not hold up the end of the app', async t => {
  const { app, port } = await startGateway(t, { targets: ['http://127.0.0.1:9'] })
  const client = await Wire.connect(t, port)
  // Accepted before, in their order.
  const other = await Wire.connect(t, port)
  other.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await other.head()
  await app.close()
  await client.over()
})

t.test('nor does one over TLS', async t => {
  const { key, cert } = await selfSigned(t, 'DNS:localhost')
  const { app } = await startGateway(t, { targets: ['http://127.0.0.1:9'], fastify: { https: { key, cert } } as object })
  const accepted = once(app.server, 'secureConnection')
  const socket = connectTls({ port: (app.server.address() as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => { socket.destroy() })
  const closed = new Promise<void>(resolve => socket.on('error', () => {}).on('close', () => resolve()).resume())
  await Promise.all([accepted, once(socket, 'secureConnect')])
  await app.close()
  await closed
})
