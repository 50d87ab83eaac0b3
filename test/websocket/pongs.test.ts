import { once, EventEmitter } from 'node:events'
import t from 'tap'
import { openSession } from '../helpers/gateway.js'
import { frame, masked } from '../helpers/wire.js'

t.test('onPong hears the answers to Pings of the gateway, on routes with and without hooks', async t => {
  for (const messages of [{}, { messages: { fromClient () {}, fromTarget () {} } }]) {
    const pongs = new EventEmitter()
    const session = await openSession(t, {
      route: { websocket: { closeTimeout: 200, pingInterval: 20, onPong: ({ route }, from) => pongs.emit(from, route), ...messages } }
    })
    const { client, server } = session
    const heard = Promise.all([once(pongs, 'client'), once(pongs, 'target')])
    const [toClient, toTarget] = [await client.frame(), await server.frame()]
    t.same([toClient.opcode, toTarget.opcode], [9, 9])
    // One of a peer's own is none.
    client.write(Buffer.concat([masked(0x8a, 'own'), masked(0x8a, toClient.payload)]))
    server.write(frame(0x8a, toTarget.payload))
    t.same(await heard, [['/*'], ['/*']])
    client.reset()
    server.end()
    await session.gateway.ended()
  }
})
