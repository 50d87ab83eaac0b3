import { once } from 'node:events'
import { createServer, STATUS_CODES, type IncomingMessage } from 'node:http'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { gatewayApp, listen } from '../helpers/backends.js'
import { refusal } from '../helpers/sockets.js'

// The classic: a WebSocket server works when dialled directly, and behind a proxy with its default settings
// the client gets 426 Upgrade Required, because Upgrade and Connection are hop-by-hop headers and go no
// further (https://nginx.org/en/docs/http/websocket.html).

t.test('@fastify/http-proxy without its option `websocket`: 426', async t => {
  const target = await startTarget(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(httpProxy, { upstream: target.url })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  t.match(await refusal(url), { status: 426, body: 'Upgrade Required' })
})

t.test('a proxied route without `websocket`: 426, from a target that saw a plain request', async t => {
  const target = await startTarget(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: target.url })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  t.match(await refusal(url), { status: 426, body: 'Upgrade Required' })
  t.equal(target.upgrades.length, 0)
  t.equal(target.requests.length, 1)
  const { upgrade, connection } = target.requests[0]!.headers
  t.equal(upgrade, undefined)
  t.notMatch(connection, /upgrade/i)
})

t.test("a proxied route with `websocket: true`: 101, and the server's message", async t => {
  const target = await startTarget(t)
  const app = await gatewayApp(t)
  app.proxy('/*', { upstream: target.url, websocket: true })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  const socket = new WebSocket(url.replace('http', 'ws'))
  const [[response], [message]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'message')])
  t.equal((response as IncomingMessage).statusCode, 101)
  t.equal(String(message), 'example')
  t.equal(target.requests.length, 0)
  t.equal(target.upgrades.length, 1)
  const { upgrade, connection } = target.upgrades[0]!.headers
  t.match(upgrade, /^websocket$/i)
  t.match(connection, /^upgrade$/i)

  socket.close()
  await once(socket, 'close')
})

interface Target {
  url: string
  /** The plain requests that it got. */
  requests: IncomingMessage[]
  /** The handshakes that it got. */
  upgrades: IncomingMessage[]
}

/** Sends 'example' on connection, and answers a plain request as `new WebSocketServer({ port })` does. */
async function startTarget (t: Test): Promise<Target> {
  const requests: IncomingMessage[] = []
  const upgrades: IncomingMessage[] = []
  const { url, server } = await listen(t, createServer((request, response) => {
    requests.push(request)
    response.writeHead(426, { 'Content-Type': 'text/plain' }).end(STATUS_CODES[426])
  }))
  server.on('upgrade', request => upgrades.push(request))
  new WebSocketServer({ server }).on('connection', socket => socket.send('example'))
  return { url, requests, upgrades }
}
