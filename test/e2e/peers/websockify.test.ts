import { on, once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startCommandWithOneOutput } from '../../helpers/command.js'
import { startGateway, type RunningGateway } from '../../helpers/gateway.js'
import { freePort } from '../../helpers/raw-target.js'
import { closed, openSocket } from '../../helpers/sockets.js'

// Debian's own.
const WEBSOCKIFY = '/usr/bin/websockify'

t.test('websockify carries a TCP connection', async t => {
  const { gateway, accepted } = await start(t)
  const client = await openSocket(`ws://127.0.0.1:${gateway.port}/websockify`, ['binary'])
  const connection = await accepted
  connection.pipe(connection)

  const sent = Buffer.alloc(2 ** 20, 'bytes of any kind \0\xff', 'latin1')
  client.send(sent)
  const received: Buffer[] = []
  let length = 0
  for await (const [data] of on(client, 'message') as AsyncIterable<[Buffer]>) {
    received.push(data)
    length += data.length
    if (length >= sent.length) break
  }
  t.ok(Buffer.concat(received).equals(sent), 'a MiB came back')

  const gone = once(connection, 'close')
  client.close(1000, 'done')
  t.same((await closed(client)).code, 1000)
  await gone
  await gateway.ended()
  t.match(gateway.ends, [{ by: 'client', reason: 'close', code: 1000 }])
})

t.test('a client of websockify learns that the TCP connection has ended', async t => {
  const { gateway, accepted } = await start(t)
  const client = await openSocket(`ws://127.0.0.1:${gateway.port}/websockify`, ['binary'])
  const end = closed(client)
  const connection = await accepted
  connection.end()
  t.same(await end, { code: 1000, reason: 'Target closed' })
  await gateway.ended()
  t.match(gateway.ends, [{ by: 'target', reason: 'close', code: 1000 }])
})

async function start (t: Test): Promise<{ gateway: RunningGateway, accepted: Promise<Socket> }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection').then(([connection]: Socket[]) => {
    t.teardown(() => connection!.destroy())
    return connection!
  })
  t.teardown(() => server.close())
  // It takes no port 0.
  const port = await freePort()
  const websockify = startCommandWithOneOutput(t, WEBSOCKIFY, [`127.0.0.1:${port}`, `127.0.0.1:${(server.address() as AddressInfo).port}`])
  // It says so once it listens.
  await websockify.output(/proxying from/)
  return { gateway: await startGateway(t, { targets: [`http://127.0.0.1:${port}`] }), accepted }
}
