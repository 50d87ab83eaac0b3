import websocket from '@fastify/websocket'
import { fastify, type FastifyRequest } from 'fastify'
import { PAGE_HEADERS, servePage } from '../../admin/page-files.js'
import { shownHeaders } from './headers.js'
import { LOSE, REFUSAL_PATH, REQUEST_PATH, SOCKET_PATH, SUBPROTOCOL, type SeenByTarget } from './protocol.js'

/** The demo's upstream, listening. */
export interface DemoUpstream {
  /** Its origin, such as http://127.0.0.1:40123. */
  url: string
  close (): Promise<void>
}

/**
 * Starts the demo's upstream: a server of its own on a free port of the loopback, so that its traffic goes
 * through the gateway like any other. It serves the page, and what the page's buttons ask for.
 */
export async function startDemoUpstream (): Promise<DemoUpstream> {
  const app = fastify({ bodyLimit: 65_536 })
  await app.register(websocket, { options: { handleProtocols: chosenProtocol } })
  await app.register(async scope => {
    scope.addHook('onRequest', async (_request, reply) => { reply.headers(PAGE_HEADERS) })
    servePage(scope, 'demo-page')
  })

  app.route({ method: ['GET', 'POST'], url: REQUEST_PATH, handler: request => seen(request) })

  // Every message comes back as it is.
  app.get('/echo', { websocket: true }, socket => {
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })

  // The page's own: the first message says what arrived here, each further one comes back.
  app.get(SOCKET_PATH, { websocket: true }, (socket, request) => {
    socket.send(JSON.stringify(seen(request)))
    socket.on('message', (data, binary) => {
      if (!binary && String(data) === LOSE) socket.terminate()
      else socket.send(data, { binary })
    })
  })

  app.get(REFUSAL_PATH, {
    websocket: true,
    onRequest: async (_request, reply) => {
      // Bearer: for Basic, a browser would ask its user.
      await reply.code(401).header('www-authenticate', 'Bearer realm="demo"').send({ error: 'Unauthorized', message: 'This target lets nobody in. Its own words, passed on.' })
    }
  }, () => {})

  // Workers would share a port otherwise.
  const url = await app.listen({ host: '127.0.0.1', port: 0, exclusive: true })
  return { url, close: async () => { await app.close() } }
}

function seen ({ method, url, raw, body }: FastifyRequest): SeenByTarget {
  const { localAddress, localPort } = raw.socket
  return { target: `${localAddress}:${localPort}`, method, url, headers: shownHeaders(raw.rawHeaders), body: typeof body === 'string' ? body : '' }
}

/** The page's, or else the first that a client offers. */
function chosenProtocol (offered: Set<string>): string | false {
  if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL
  const [first] = offered
  return first ?? false
}
