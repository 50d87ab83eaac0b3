import t, { type Test } from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { listeners, type ClientConnection } from '../helpers/listeners.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse } from '../helpers/raw-target.js'
import { closing, frame, masked, type Wire } from '../helpers/wire.js'
import { requestAt, ROUTES, start } from './gateway.js'

/*
 * Issue 8, item 17: clients that leave, sessions that lose a peer, and an app that ends, on every kind of listener.
 */

const certificate = await selfSigned(t, 'IP:127.0.0.1')

const leaves: Record<string, (connection: ClientConnection) => void> = {
  FIN: ({ client }) => client.socket.destroy(),
  // A Unix socket has none.
  RST: ({ client, raw }) => 'resetAndDestroy' in raw && raw.remoteAddress !== undefined ? raw.resetAndDestroy() as unknown : client.socket.destroy()
}

const beginnings: Record<string, string> = {
  'a head': 'Content-Length: 100\r\n\r\n',
  'part of a body with Content-Length': 'Content-Length: 100\r\n\r\npartial',
  'a chunk': 'Transfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n',
  'a body without a length': '\r\npartial'
}

for (const [kind, listener] of Object.entries(listeners)) {
  t.test(kind, async t => {
    const gateway = await start(t, listener, certificate)
    const { app, target, connect, checkAlive, ends } = gateway

    for (const [way, prefix] of Object.entries(ROUTES)) {
      for (const [end, leave] of Object.entries(leaves)) {
        for (const version of ['1.1', '1.0']) {
          for (const [begun, text] of Object.entries(beginnings)) {
            t.test(`${way}, HTTP/${version}: the client leaves with ${end} behind ${begun}`, async () => {
              const connection = await connect()
              connection.client.write(`GET ${prefix}/x HTTP/${version}\r\nHost: a\r\n\r\n`)
              const server = await requestAt(target, `${prefix}/x`)
              server.write(`HTTP/1.1 200 OK\r\n${text}`)
              await connection.client.head()
              if (text.includes('partial')) await connection.client.has('partial'.length)
              leave(connection)
              await over(server)
              await checkAlive()
            })
          }
        }
        t.test(`${way}: the client leaves with ${end} while it does not read`, async () => {
          const connection = await connect()
          connection.client.write(`GET ${prefix}/x HTTP/1.1\r\nHost: a\r\n\r\n`)
          const server = await requestAt(target, `${prefix}/x`)
          server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 << 20}\r\n\r\n`).write(Buffer.alloc(32 << 20))
          await connection.client.head()
          connection.client.socket.pause()
          leave(connection)
          await over(server)
          await checkAlive()
        })
        t.test(`${way}: the client leaves with ${end} while it sends its body`, async () => {
          const connection = await connect()
          connection.client.write(`POST ${prefix}/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npartial`)
          const server = await requestAt(target, `${prefix}/x`)
          await server.has('partial'.length)
          leave(connection)
          await over(server)
          await checkAlive()
        })
        t.test(`${way}: the client leaves with ${end} before the response to its handshake`, async () => {
          const connection = await connect()
          connection.client.write(handshake({ path: `${prefix}/ws` }))
          const server = await requestAt(target, `${prefix}/ws`)
          leave(connection)
          await over(server)
          await checkAlive()
        })
      }
    }

    const session = async (t: Test): Promise<ClientConnection & { server: Wire }> => {
      const connection = await connect()
      connection.client.write(handshake({ path: '/direct/ws' }))
      const server = await target.next()
      server.write(goodResponse(await server.head()))
      t.equal((await connection.client.head()).start, 'HTTP/1.1 101 Switching Protocols')
      server.write(frame(0x81, 'down'))
      connection.client.write(masked(0x81, 'up'))
      t.equal((await connection.client.frame()).payload.toString(), 'down')
      t.equal((await server.frame()).payload.toString(), 'up')
      ends.length = 0
      return { ...connection, server }
    }
    const checkEnd = async (t: Test, { client, server }: { client: Wire, server: Wire }, expected: object): Promise<void> => {
      for (const wire of [client, server]) {
        await wire.over()
        wire.end()
        await wire.gone()
      }
      await checkAlive()
      t.match(ends, [expected])
      t.equal(ends.length, 1)
    }

    for (const [end, leave] of Object.entries(leaves)) {
      t.test(`a session whose client is lost with ${end}`, async t => {
        const connection = await session(t)
        leave(connection)
        t.equal(await connection.server.rest(), '', 'no Close')
        await checkEnd(t, connection, { by: 'client', reason: 'lost' })
      })
      t.test(`a session whose client is lost with ${end} in a frame`, async t => {
        const connection = await session(t)
        connection.client.write(masked(0x82, Buffer.alloc(500)).subarray(0, 300))
        await connection.server.has(300)
        leave(connection)
        t.equal((await connection.server.rest()).length, 300, 'no Close')
        await checkEnd(t, connection, { by: 'client', reason: 'lost' })
      })
    }
    t.test('a session whose client ends its half', async t => {
      const connection = await session(t)
      connection.client.end()
      t.equal(await connection.server.rest(), '', 'no Close')
      await checkEnd(t, connection, { by: 'client', reason: 'lost' })
    })
    for (const [end, lose] of Object.entries({ FIN: (server: Wire) => { server.end() }, RST: (server: Wire) => { server.reset() } })) {
      t.test(`a session whose target is lost with ${end}`, async t => {
        const connection = await session(t)
        lose(connection.server)
        t.equal(await connection.client.rest(), '', 'no Close')
        await checkEnd(t, connection, { by: 'target', reason: 'lost' })
      })
      t.test(`a session whose target is lost with ${end} in a frame`, async t => {
        const connection = await session(t)
        connection.server.write(frame(0x82, Buffer.alloc(500)).subarray(0, 300))
        await connection.client.has(300)
        lose(connection.server)
        t.equal((await connection.client.rest()).length, 300, 'no Close')
        await checkEnd(t, connection, { by: 'target', reason: 'lost' })
      })
    }
    t.test('a session that the app closes', async t => {
      const connection = await session(t)
      t.equal(app.gateway.sessions.close(4000, 'enough'), 1)
      await checkCloses(t, connection, '4000 enough')
      await checkEnd(t, connection, { by: 'gateway', reason: 'application', code: 4000 })
    })
    t.test('a session that the app closes, whose peers say nothing', async t => {
      const connection = await session(t)
      app.gateway.sessions.close(4000, 'enough')
      for (const wire of [connection.client, connection.server]) t.equal(await wire.close(), '4000 enough')
      await checkEnd(t, connection, { by: 'gateway', reason: 'application', code: 4000 })
    })
    t.test('a drain, and then a request', async t => {
      const connection = await session(t)
      const drained = app.gateway.drain({ timeout: 2_000 })
      await checkCloses(t, connection, '1012')
      await drained
      await checkEnd(t, connection, { by: 'gateway', reason: 'drain', code: 1012 })
    })
    t.test('app.close() with idle connections', async t => {
      const { client: unused } = await connect()
      const { client: used } = await connect()
      used.write('GET /direct/x HTTP/1.1\r\nHost: a\r\n\r\n')
      const server = await requestAt(target, '/direct/x')
      server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      await used.head()
      t.equal(String(await used.bytes(2)), 'ok')
      await app.close()
      for (const client of [unused, used]) t.equal(await client.rest(), '')
      await over(server)
    })
  })
}

/** Waits until the gateway has let go of a connection to the target. */
async function over (server: Wire): Promise<void> {
  await server.over()
  server.end()
  await server.gone()
}

/** Both peers are told a Close, and say the same. */
async function checkCloses (t: Test, { client, server }: { client: Wire, server: Wire }, expected: string): Promise<void> {
  for (const wire of [client, server]) t.equal(await wire.close(), expected)
  const code = Number(expected.split(' ')[0])
  client.write(masked(0x88, closing(code)))
  server.write(frame(0x88, closing(code))).end()
}
