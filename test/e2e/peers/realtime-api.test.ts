import { createServer, type IncomingMessage } from 'node:http'
import { EventEmitter, on, once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { listen } from '../../helpers/backends.js'
import { startRecipeProgram } from '../../helpers/recipe.js'
import { closed, openSocket, refusal } from '../../helpers/sockets.js'

/*
 * The recipe for realtime AI APIs. None can be run offline, so this is a stand-in with the contract of such a
 * provider: a WebSocket with the subprotocol `realtime`, opened with the account's key in Authorization or as a
 * subprotocol, 401 with JSON otherwise, and events in JSON both ways.
 */

const KEY = 'sk-of-the-account'

t.test('a user of the app talks to the provider with the key of the account', async t => {
  const { provider, url } = await start(t, KEY)
  const socket = await openSocket(`${url}/v1/realtime?model=a-model`, ['realtime', 'token.token-of-anna', 'openai-insecure-api-key.sk-of-the-user'], {
    headers: { authorization: 'Bearer sk-of-the-user', cookie: 'session=of-the-app' }, origin: url
  })
  t.equal(socket.protocol, 'realtime')
  const [request] = await provider.seen as [IncomingMessage]
  t.equal(request.url, '/v1/realtime?model=a-model')
  t.match(request.headers, { host: provider.host, authorization: `Bearer ${KEY}`, 'sec-websocket-protocol': 'realtime' })
  t.notMatch(JSON.stringify(request.rawHeaders), /of-the-user|of-the-app|token-of-anna/)
  t.notOk('origin' in request.headers)

  socket.send(JSON.stringify({ type: 'response.create' }))
  const types: string[] = []
  for await (const [data] of on(socket, 'message')) {
    types.push(JSON.parse(String(data)).type)
    if (types.at(-1) === 'response.done') break
  }
  t.same(types, ['response.created', 'response.output_text.delta', 'response.output_text.delta', 'response.done'])

  socket.close(1000)
  t.match(await closed(socket), { code: 1000 })
})

t.test('nobody else does', async t => {
  const { url } = await start(t, KEY)
  t.match(await refusal(`${url}/v1/realtime`), { status: 401, body: '{"error":"Sign in first"}' })
  t.match(await refusal(`${url}/v1/realtime`, { headers: { 'sec-websocket-protocol': 'realtime, token.token-of-bob' } }), { status: 401 })
  t.match(await refusal(`${url}/v1/realtime`, { headers: { 'sec-websocket-protocol': 'realtime, token.token-of-anna' }, origin: 'http://other.example' }), { status: 403, body: /SLUICE_ORIGIN_FORBIDDEN/ })
  t.match(await refusal(`${url}/v1/realtime`, { headers: { 'sec-websocket-protocol': 'token.token-of-anna, openai-insecure-api-key.sk-of-the-user' } }), { status: 400, body: /SLUICE_HANDSHAKE_INVALID/ })
})

t.test("the provider's refusal of the key reaches the client", async t => {
  const { url } = await start(t, 'sk-revoked')
  t.match(await refusal(`${url}/v1/realtime`, { headers: { 'sec-websocket-protocol': 'realtime, token.token-of-anna' } }), {
    status: 401,
    headers: { 'content-type': 'application/json' },
    body: '{"error":{"type":"invalid_request_error","code":"invalid_api_key"}}'
  })
})

async function start (t: Test, key: string): Promise<{ provider: { host: string, seen: Promise<unknown[]> }, url: string }> {
  const events = new EventEmitter()
  const backend = await listen(t, createServer((_request, response) => response.writeHead(404).end()))
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: protocols => protocols.has('realtime') && 'realtime' })
  backend.server.on('upgrade', (request, socket, head) => {
    if (request.headers.authorization !== `Bearer ${KEY}`) {
      const body = JSON.stringify({ error: { type: 'invalid_request_error', code: 'invalid_api_key' } })
      socket.end(`HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      return
    }
    events.emit('handshake', request)
    sockets.handleUpgrade(request, socket, head, open => {
      open.on('message', data => {
        const { type } = JSON.parse(String(data)) as { type: string }
        if (type !== 'response.create') return
        for (const event of [{ type: 'response.created' }, { type: 'response.output_text.delta', delta: 'grü' }, { type: 'response.output_text.delta', delta: 'ße' }, { type: 'response.done' }]) open.send(JSON.stringify(event))
      })
    })
  })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  const { url } = await startRecipeProgram(t, 'realtime', { 'https://api.openai.com': backend.url }, { env: { PROVIDER_KEY: key } })
  return { provider: { host: new URL(backend.url).host, seen: once(events, 'handshake') }, url }
}
