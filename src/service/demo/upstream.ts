import type { IncomingHttpHeaders } from 'node:http'
import websocket from '@fastify/websocket'
import { fastify } from 'fastify'
import { PAGE } from './page.js'

/** The demo's upstream, listening. */
export interface DemoUpstream {
  /** Its origin, such as http://127.0.0.1:40123. */
  url: string
  close (): Promise<void>
}

/**
 * Starts the demo's upstream: a server of its own on a free port of the loopback, so that its traffic goes
 * through the gateway like any other. It serves a page and two WebSocket echoes.
 */
export async function startDemoUpstream (): Promise<DemoUpstream> {
  const app = fastify()
  await app.register(websocket)

  app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(PAGE))

  // Every message comes back as it is.
  app.get('/echo', { websocket: true }, socket => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })

  // The page's own: the first message says what arrived here, each further one comes back.
  app.get('/hello', { websocket: true }, (socket, { headers, raw }) => {
    const { localAddress, localPort } = raw.socket
    socket.send(JSON.stringify({ upstream: `${localAddress}:${localPort}`, headers: withoutSecrets(headers) }))
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })

  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { url, close: async () => { await app.close() } }
}

/** A page of another origin may open the WebSocket, too; it is not to read the user's cookies. */
function withoutSecrets (headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const hidden = Object.fromEntries(['cookie', 'authorization']
    .filter(name => headers[name] !== undefined)
    .map(name => [name, '(hidden)']))
  return { ...headers, ...hidden }
}
