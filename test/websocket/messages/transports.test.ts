import { once } from 'node:events'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { drop, type MessageOptions } from '../../../src/index.js'
import { sharedReads } from '../../../src/net/shared-reads.js'
import { selfSigned } from '../../helpers/certificates.js'
import { startGateway } from '../../helpers/gateway.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

// What goes through hooks is the same over each transport, however its bytes are read.

interface Transport { name: string, tls?: true, unix?: true, shared: boolean }

const TRANSPORTS: Transport[] = [
  { name: 'TCP', shared: true },
  { name: 'TCP, without shared reads', shared: false },
  { name: 'TLS', tls: true, shared: true },
  { name: 'TLS, without shared reads', tls: true, shared: false },
  { name: 'Unix sockets', unix: true, shared: true },
  { name: 'Unix sockets, without shared reads', unix: true, shared: false }
]

/** Both hops of a route over one transport, to a target that echoes. */
async function start (t: Test, { tls, unix, shared }: Transport, messages: MessageOptions | undefined, more: object = {}): Promise<{ url: string, server: WebSocketServer, gateway: Awaited<ReturnType<typeof startGateway>> }> {
  sharedReads.enabled = shared
  t.teardown(() => { sharedReads.enabled = true })
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const folder = await temporaryFolder(t)
  const http: Server = tls === true ? createHttpsServer(certificate) : createHttpServer()
  const server = new WebSocketServer({ server: http, perMessageDeflate: { threshold: 0 } })
  server.on('connection', socket => { socket.on('message', (data, binary) => socket.send(data, { binary })) })
  http.listen(unix === true ? { path: join(folder, 'target') } : { port: 0, host: '127.0.0.1' })
  await once(http, 'listening')
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  const gateway = await startGateway(t, {
    targets: [unix === true ? `unix:${join(folder, 'target')}` : `${tls === true ? 'https' : 'http'}://127.0.0.1:${port}`],
    upstream: { tls: { ca: certificate.cert } },
    route: { websocket: { closeTimeout: 200, ...messages !== undefined && { messages }, ...more } },
    ...tls === true && { fastify: { https: certificate } as object },
    ...unix === true && { listen: { path: join(folder, 'gateway') } }
  })
  const url = unix === true ? `ws+unix:${join(folder, 'gateway')}:/` : `${tls === true ? 'wss' : 'ws'}://127.0.0.1:${gateway.port}/`
  return { url, server, gateway }
}

/** Messages of all sizes around what frames, buffers and high-water marks end at, none like another. */
function messagesOf (): Buffer[] {
  const sizes = [0, 1, 125, 126, 127, 4095, 16_384, 16_385, 65_535, 65_536, 70_000, 300_000]
  return sizes.map((size, index) => Buffer.alloc(size, index + 1))
}

for (const transport of TRANSPORTS) {
  t.test(`hooks over ${transport.name}`, async t => {
    for (const perMessageDeflate of [false, { threshold: 0 }]) {
      const { url, gateway } = await start(t, transport, {
        fromClient ({ text }) {
          if (text?.startsWith('change') === true) return `changed ${text.slice(7)}`
          if (text === 'drop') return drop
        },
        async fromTarget ({ text }) {
          if (text?.startsWith('changed') === true) return text.toUpperCase()
        }
      })
      const client = new WebSocket(url, { perMessageDeflate, rejectUnauthorized: false })
      await once(client, 'open')
      t.equal(client.extensions, perMessageDeflate === false ? '' : 'permessage-deflate')
      const got: Buffer[] = []
      client.on('message', (data: Buffer) => got.push(data))
      const long = 'x'.repeat(100_000)
      const sent = messagesOf()
      for (const message of sent) {
        client.send(message)
        client.send('drop')
        client.send(`change ${message.length}`)
        // In fragments.
        client.send('change ', { fin: false })
        client.send(long, { fin: true })
      }
      while (got.length < sent.length * 3) await once(client, 'message')
      for (const [index, message] of sent.entries()) {
        const [plain, changed, fragments] = got.slice(index * 3, index * 3 + 3)
        t.ok(plain!.equals(message), `${message.length} bytes`)
        t.equal(changed!.toString(), `CHANGED ${message.length}`)
        t.ok(fragments!.equals(Buffer.from(`CHANGED ${long.toUpperCase()}`)))
      }
      client.close(4000, 'done')
      await gateway.ended()
      t.match(gateway.ends[0], { by: 'client', reason: 'close', code: 4000 })
      await gateway.app.close()
    }
  })

  t.test(`a reconnect over ${transport.name}`, async t => {
    const { url, server, gateway } = await start(t, transport, undefined, { reconnect: { delay: 1, maxDelay: 10, attempts: 100 } })
    const client = new WebSocket(url, { rejectUnauthorized: false })
    await once(client, 'open')
    for (const [index, message] of messagesOf().entries()) {
      // Alternately by a code of the list, and by the connection alone.
      const again = once(server, 'connection')
      for (const socket of server.clients) {
        if (index % 2 === 0) socket.close(1012)
        else socket.terminate()
      }
      // What is sent before the gateway has seen the loss is lost.
      await again
      client.send(message)
      const [data] = await once(client, 'message') as [Buffer]
      t.ok(data.equals(message), `${message.length} bytes`)
    }
    t.equal(gateway.ends.length, 0)
    client.close(4000)
    await gateway.ended()
    t.match(gateway.ends[0], { by: 'client', reason: 'close', code: 4000, reconnects: messagesOf().length })
  })
}
