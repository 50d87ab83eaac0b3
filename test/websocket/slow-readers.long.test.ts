import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, frame, masked } from '../helpers/wire.js'

// Issue 8, A7: the Pong of a slow reader waits behind all that it has not read, so what it takes is life, too.

const PONG_TIMEOUT = 1000
/** Bytes that the reader takes every five milliseconds: enough for the system to make room for more well within that time. */
const STEP = 128 << 10
/** The reader answers no ping, so that nothing but what it takes can keep it alive. */
const LIMITS = { pingInterval: 100, pongTimeout: PONG_TIMEOUT, stallTimeout: 60_000, closeTimeout: 200 }

interface Session { gateway: RunningGateway, client: Wire, server: Wire }

/** A session over real sockets, with TLS on the hop to one of its sides where asked for. */
async function open (t: Test, tls: 'client' | 'target' | undefined): Promise<Session> {
  const { cert, key } = await selfSigned(t, 'IP:127.0.0.1')
  const { url, next } = tls === 'target' ? await tlsTarget(t, { cert, key }) : await rawTarget(t)
  const gateway = await startGateway(t, {
    targets: [url],
    upstream: { tls: { ca: cert } },
    route: { websocket: LIMITS },
    ...(tls === 'client' && { fastify: { https: { cert, key } } as object })
  })
  const client = tls === 'client' ? await tlsClient(t, gateway.port, cert) : await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await next()
  server.write(goodResponse(await server.head()))
  await client.head()
  return { gateway, client, server }
}

async function tlsClient (t: Test, port: number, ca: string): Promise<Wire> {
  const socket = connectTls({ port, host: '127.0.0.1', ca })
  await once(socket, 'secureConnect')
  return new Wire(t, socket)
}

async function tlsTarget (t: Test, certificate: { cert: string, key: string }): Promise<{ url: string, next: () => Promise<Wire> }> {
  const server = createTlsServer(certificate).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const first = once(server, 'secureConnection')
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    next: async () => new Wire(t, (await first)[0] as Socket)
  }
}

/** Sends frames for as long as the other side takes them. */
function flood ({ socket }: Wire, data: Buffer): void {
  const write = (): void => { while (!socket.destroyed && socket.write(data)); }
  socket.on('drain', write)
  write()
}

for (const side of ['client', 'target'] as const) {
  for (const tls of [undefined, side]) {
    t.test(`a ${side} that reads slowly but steadily lives beyond pongTimeout, and is found when it stops${tls === undefined ? '' : ', over TLS'}`, { timeout: 30_000 }, async t => {
      const { gateway, client, server } = await open(t, tls)
      const [reader, sender] = side === 'client' ? [client, server] : [server, client]
      let read = 0
      let allowed = 0
      let lastRead = 0
      reader.socket.pause()
      reader.socket.on('data', chunk => {
        read += chunk.length
        lastRead = performance.now()
        allowed -= chunk.length
        if (allowed <= 0) reader.socket.pause()
      })
      flood(sender, side === 'client' ? frame(0x82, Buffer.alloc(1 << 16)) : masked(0x82, Buffer.alloc(1 << 16)))
      const started = performance.now()
      const over = gateway.ended()
      const reads = setInterval(() => {
        allowed = STEP
        reader.socket.resume()
      }, 5)
      t.teardown(() => { clearInterval(reads) })
      const alive = Symbol('alive')
      const first = await Promise.race([over, new Promise(resolve => setTimeout(resolve, 5 * PONG_TIMEOUT, alive))])
      t.equal(first, alive, `${read} bytes read in ${Math.round(performance.now() - started)} ms`)
      clearInterval(reads)
      allowed = 0
      reader.socket.pause()
      lastRead = performance.now()
      await over
      const took = performance.now() - lastRead
      t.ok(took < 3 * PONG_TIMEOUT + 2000, `ended ${Math.round(took)} ms after its last read`)
      t.match(gateway.ends[0], { by: side, reason: 'ping-timeout', code: 1006 })
      sender.socket.destroy()
      reader.socket.destroy()
    })
  }
}
