import t from 'tap'
import { startGateway } from '../../helpers/gateway.js'
import { rawTarget } from '../../helpers/raw-target.js'
import { Wire } from '../../helpers/wire.js'

const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('a connection that its target ends right behind an answer carries no other request', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url] })
  const [first, second] = [await Wire.connect(t, port), await Wire.connect(t, port)]
  first.write(POST)
  const server = await target.next()
  await server.head()
  await server.bytes(4)
  // In one turn of the event loop: the gateway meets the request before the end of the connection.
  server.write(OK).end()
  second.write(POST)
  const another = await target.next()
  another.write(OK)
  for (const client of [first, second]) t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
})

t.test('one that its target keeps carries the next', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, port)
  client.write(POST)
  const server = await target.next()
  for (let count = 0; count < 5; count++) {
    await server.head()
    await server.bytes(4)
    server.write(OK)
    t.equal((await client.head()).start, 'HTTP/1.1 200 OK')
    await client.bytes(2)
    client.write(POST)
  }
  t.equal(target.connections, 1)
})
