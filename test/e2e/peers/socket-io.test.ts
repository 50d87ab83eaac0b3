import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import t, { type Test } from 'tap'
import { listen } from '../../helpers/backends.js'
import { startGateway } from '../../helpers/gateway.js'
import { startRecipe } from '../../helpers/recipe.js'

t.test('socket.io begins with polling and upgrades, all through the gateway', async t => {
  const backend = await listen(t, createServer())
  const server = new Server(backend.server)
  t.teardown(() => server.disconnectSockets(true))
  server.on('connection', socket => {
    socket.on('say', (text: string, bytes: Buffer, acknowledge: (answer: unknown) => void) => acknowledge({ text, bytes }))
    socket.on('go', () => socket.disconnect(true))
  })
  const gateway = await startGateway(t, { targets: [backend.url] })

  const client = io(`http://127.0.0.1:${gateway.port}`, { reconnection: false, forceNew: true, autoConnect: false })
  t.teardown(() => { client.close() })
  const { engine } = await new Promise<typeof client.io>((resolve, reject) => {
    client.io.on('open', () => resolve(client.io))
    client.on('connect_error', reject)
    client.connect()
  })
  t.equal(engine.transport.name, 'polling')
  await new Promise<void>((resolve, reject) => {
    engine.once('upgrade', () => resolve())
    engine.once('upgradeError', reject)
  })
  t.equal(engine.transport.name, 'websocket')
  t.equal(gateway.app.gateway.sessions.size, 1)

  const bytes = Buffer.from([0, 1, 254, 255])
  t.same(await client.emitWithAck('say', 'grüße', bytes), { text: 'grüße', bytes })

  const gone = new Promise(resolve => client.once('disconnect', resolve))
  client.emit('go')
  t.equal(await gone, 'io server disconnect')
  await gateway.ended()
  t.match(gateway.ends, [{ reason: 'close', code: 1005 }])
})

t.test('socket.io over WebSocket alone, and a message larger than any buffer on its way', async t => {
  const backend = await listen(t, createServer())
  const server = new Server(backend.server, { transports: ['websocket'], maxHttpBufferSize: 2 ** 25, perMessageDeflate: { threshold: 0 } })
  t.teardown(() => server.disconnectSockets(true))
  server.on('connection', socket => { socket.on('echo', (bytes: Buffer) => socket.emit('echoed', bytes)) })
  const gateway = await startGateway(t, { targets: [backend.url] })

  const client = io(`http://127.0.0.1:${gateway.port}`, { transports: ['websocket'], reconnection: false, forceNew: true })
  t.teardown(() => { client.close() })
  const bytes = Buffer.alloc(2 ** 24, 'a message of 16 MiB')
  client.emit('echo', bytes)
  const echoed = await new Promise<Buffer>((resolve, reject) => {
    client.once('echoed', resolve)
    client.once('connect_error', reject)
  })
  t.ok(echoed.equals(bytes))
  client.disconnect()
  await gateway.ended()
  t.match(gateway.ends, [{ by: 'client', reason: 'close' }])
})

t.test('the recipe: clients that begin with polling stay at their target, of two', async t => {
  const servers = await Promise.all(['one', 'two'].map(name => socketIoServer(t, name)))
  const targets = { 'http://127.0.0.1:3001': servers[0]!, 'http://127.0.0.1:3002': servers[1]! }

  const { url } = await startRecipe(t, 'socket-io', targets)
  const names = new Set<string>()
  for (let count = 0; count < 6; count++) {
    const client = await upgraded(t, url)
    names.add(await client.emitWithAck('name'))
    client.close()
  }
  t.same([...names].sort(), ['one', 'two'])

  const unsticky = await startRecipe(t, 'socket-io', targets, text => text.replace('sticky: true', 'sticky: false'))
  await t.rejects(Promise.all(Array.from({ length: 6 }, () => upgraded(t, unsticky.url))), 'without `sticky` they do not')
})

async function socketIoServer (t: Test, name: string): Promise<string> {
  const backend = await listen(t, createServer())
  const server = new Server(backend.server)
  t.teardown(() => server.disconnectSockets(true))
  server.on('connection', socket => { socket.on('name', acknowledge => acknowledge(name)) })
  return backend.url
}

/** A client that has connected by polling and upgraded to a WebSocket. */
async function upgraded (t: Test, url: string): Promise<Socket> {
  const client = io(url, { reconnection: false, forceNew: true, withCredentials: true, autoConnect: false })
  t.teardown(() => { client.close() })
  await new Promise<void>((resolve, reject) => {
    client.io.on('open', () => {
      client.io.engine.once('upgrade', () => resolve())
      client.io.engine.once('upgradeError', reject)
      client.io.engine.once('close', reason => reject(new Error(reason)))
    })
    client.on('connect_error', reject)
    client.connect()
  })
  return client
}
