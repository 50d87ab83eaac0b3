import { handshake } from './raw-client.js'
import { goodResponse, type RawTarget } from './raw-target.js'
import type { Wire } from './wire.js'

/** A gateway with a route to a target for everything, and under `/hook/` one with a hook that never returns. */
export interface StuckSettings {
  target: RawTarget
  /** A new connection to the gateway. */
  connect (): Promise<Wire>
}

/**
 * Clients that would hold up the end of a gateway for ever. Each resolves when it stands as its name says, and goes on
 * until its connection is gone.
 */
export const stuckClients: Record<string, (settings: StuckSettings) => Promise<void>> = {
  async 'a connection without a byte' ({ connect }) {
    await connect()
  },

  async 'a byte' ({ connect }) {
    const client = await connect()
    await written(client, 'G')
  },

  async 'a half-sent head' ({ connect }) {
    const client = await connect()
    await written(client, 'GET / HTTP/1.1\r\nHost: a\r\nX-Ha')
  },

  async 'a half-sent head behind a request' ({ connect, target }) {
    const client = await connect()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT')
    await respond(client, target)
  },

  async 'a half-sent body that trickles on' ({ connect, target }) {
    const client = await connect()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n')
    trickle(client, 'x')
    await (await target.next()).head()
  },

  async 'a half-sent body in chunks, whose target has answered' ({ connect, target }) {
    const client = await connect()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    trickle(client, '1\r\nx\r\n')
    await respond(client, target)
  },

  async 'a client that never reads its response' ({ connect, target }) {
    const client = await connect()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    client.socket.pause()
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 << 20}\r\n\r\n`).write(Buffer.alloc(32 << 20))
  },

  async 'a slow-reading download' ({ connect, target }) {
    const client = await connect()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 << 20}\r\n\r\n`).write(Buffer.alloc(32 << 20))
    await client.head()
    const { socket } = client
    socket.on('data', () => {
      socket.pause()
      setTimeout(() => socket.resume(), 50)
    })
  },

  async 'an idle keep-alive connection' ({ connect, target }) {
    const client = await connect()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await respond(client, target)
  },

  async 'an upload whose target is silent' ({ connect, target }) {
    const client = await connect()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    await (await target.next()).head()
  },

  async 'an event stream' ({ connect, target }) {
    const client = await connect()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const server = await target.next()
    await server.head()
    server.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:\n\r\n')
    await client.head()
    trickle(server, '6\r\ndata:\n\r\n')
  },

  async 'a hook that never returns' ({ connect }) {
    const client = await connect()
    await written(client, 'GET /hook/a HTTP/1.1\r\nHost: a\r\n\r\n')
  },

  async 'a hook that never returns, before a handshake' ({ connect }) {
    const client = await connect()
    await written(client, handshake({ path: '/hook/a' }))
  },

  async 'a client that asks again and again' ({ connect, target }) {
    const begin = async (): Promise<void> => {
      const client = await connect()
      trickle(client, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 50)
      client.socket.once('close', () => { begin().catch(() => {}) })
    }
    await begin()
    const serve = async (): Promise<void> => {
      const server = await target.next()
      await server.head()
      trickle(server, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 50)
      serve().catch(() => {})
    }
    serve().catch(() => {})
  },

  async 'a handshake under way' ({ connect, target }) {
    const client = await connect()
    client.write(handshake())
    await (await target.next()).head()
  },

  async 'a session whose peers ignore a Close' ({ connect, target }) {
    const client = await connect()
    client.write(handshake())
    const server = await target.next()
    server.write(goodResponse(await server.head()))
    await client.head()
  },

  async 'a refused handshake that is never read' ({ connect, target }) {
    const client = await connect()
    client.write(handshake())
    client.socket.pause()
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${64 << 20}\r\n\r\n`).write(Buffer.alloc(32 << 20))
  }
}

/** Not kept alive: the next request must not come to a target's connection that somebody else holds. */
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'

/** The target responds, and the client gets all of it. */
async function respond (client: Wire, target: RawTarget): Promise<void> {
  const server = await target.next()
  await server.head()
  server.write(OK)
  await client.head()
  await client.bytes(2)
}

function written (wire: Wire, text: string): Promise<void> {
  return new Promise(resolve => wire.socket.write(text, () => resolve()))
}

/** Writes a text again and again until the connection is gone. */
function trickle (wire: Wire, text: string, pause = 20): void {
  const timer = setInterval(() => { if (wire.socket.writable) wire.write(text) }, pause)
  wire.socket.once('close', () => clearInterval(timer))
}
