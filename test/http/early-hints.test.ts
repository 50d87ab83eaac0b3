import t from 'tap'
import { startGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

t.test('hints that a client does not read are not held for it', async t => {
  const target = await rawTarget(t)
  let tell!: (bytes: number) => void
  const held = new Promise<number>(resolve => { tell = resolve })
  const { port } = await startGateway(t, {
    targets: [target.url],
    // When the response comes, all hints have come through.
    setup: app => { app.addHook('onSend', async (_request, { raw }) => tell(raw.writableLength)) }
  })
  const client = await Wire.connect(t, port)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n').socket.pause()
  const server = await target.next()
  await server.head()
  server.write(`HTTP/1.1 103 Early Hints\r\nLink: </${'a'.repeat(10_000)}>\r\n\r\n`.repeat(3000))
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
  t.ok(await held < 100_000, `${await held} bytes`)
})

t.test('hints for a request behind another one do not get into its response', async t => {
  const target = await rawTarget(t)
  const { port } = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, port)
  client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 First\r\nContent-Length: 2\r\n\r\nhi')
  t.equal((await server.head()).start, 'GET /2 HTTP/1.1')
  server.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Second\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
  t.equal((await client.head()).start, 'HTTP/1.1 200 First')
  t.equal((await client.bytes(2)).toString(), 'hi')
  t.equal((await client.head()).start, 'HTTP/1.1 103 Early Hints')
  t.equal((await client.head()).start, 'HTTP/1.1 200 Second')
  t.equal((await client.bytes(2)).toString(), 'ok')
})
