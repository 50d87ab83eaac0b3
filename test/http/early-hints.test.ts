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
    // When the answer comes, all hints have come through.
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
