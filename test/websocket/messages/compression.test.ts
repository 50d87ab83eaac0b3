import { once } from 'node:events'
import { deflateRawSync, constants } from 'node:zlib'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws'
import { drop, type MessageOptions } from '../../../src/index.js'
import { openSession, startGateway } from '../../helpers/gateway.js'
import { exchange, handshake } from '../../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../../helpers/raw-target.js'
import { closing, frame, masked, valuesOf } from '../../helpers/wire.js'

const OFFER = 'permessage-deflate; client_max_window_bits'
const AGREED = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover'

/** The payload of a message, compressed without context takeover. */
function deflated (text: string | Buffer): Buffer {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

async function wsTarget (t: Test, options: ServerOptions['perMessageDeflate']): Promise<{ url: string, server: WebSocketServer }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: options ?? false })
  await once(server, 'listening')
  server.on('connection', socket => { socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) }) })
  t.teardown(() => { for (const client of server.clients) client.terminate(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

t.test('ws and ws compress through hooks, which see and change what is decompressed', async t => {
  for (const perMessageDeflate of [true, { threshold: 0 }, { threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 9 }, { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true }, false]) {
    const { url } = await wsTarget(t, perMessageDeflate)
    const seen: string[] = []
    const gateway = await startGateway(t, {
      targets: [url],
      route: {
        websocket: {
          messages: {
            fromClient ({ text }) { seen.push(text!.slice(0, 10)); if (text!.startsWith('change')) return `changed ${'y'.repeat(5000)}` },
            async fromTarget ({ text }) { seen.push(text!.slice(0, 10)); if (text === 'drop') return drop }
          }
        }
      }
    })
    const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { perMessageDeflate: { threshold: 0 } })
    await once(client, 'open')
    const expectsCompression = perMessageDeflate !== false
    t.equal(client.extensions, expectsCompression ? 'permessage-deflate' : '', JSON.stringify(perMessageDeflate))
    const got: string[] = []
    client.on('message', data => got.push(data.toString()))
    for (const text of ['same same same same', 'same same same same', 'change', 'drop', 'z'.repeat(200_000), '']) client.send(text)
    while (got.length < 5) await once(client, 'message')
    t.same(got.map(text => [text.slice(0, 12), text.length]), [['same same sa', 19], ['same same sa', 19], ['changed yyyy', 5008], ['zzzzzzzzzzzz', 200_000], ['', 0]])
    t.equal(seen.length, 12)
    client.close()
    await gateway.ended()
    await gateway.app.close()
  }
})

t.test('the compressed bytes of a message that no hook changes go on as they are', async t => {
  const session = await openSession(t, { headers: { 'Sec-WebSocket-Extensions': OFFER }, answer: [AGREED], route: { websocket: { closeTimeout: 200, messages: { fromClient () {}, fromTarget: async () => {} } } } })
  const { client, server, request, answer } = session
  t.same(valuesOf(request, 'sec-websocket-extensions'), ['permessage-deflate; client_max_window_bits; server_no_context_takeover; client_no_context_takeover'])
  t.same(valuesOf(answer, 'sec-websocket-extensions'), ['permessage-deflate; server_no_context_takeover; client_no_context_takeover'])
  const payload = deflated('hello '.repeat(20))
  const bytes = Buffer.concat([masked(0xc1, payload), masked(0x41, payload.subarray(0, 3)), masked(0x80, payload.subarray(3)), masked(0x81, 'plain')])
  client.write(bytes)
  t.ok((await server.bytes(bytes.length)).equals(bytes))
  server.write(frame(0xc2, payload))
  t.ok((await client.bytes(payload.length + 2)).equals(frame(0xc2, payload)))
  client.write(masked(0x88, closing(1000)))
})

t.test('what a client offers beside permessage-deflate, or offers wrongly, is not offered to the target', async t => {
  const offers: Array<[string, string[]]> = [
    ['x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover', ['permessage-deflate; server_no_context_takeover; client_no_context_takeover']],
    ['permessage-deflate; client_max_window_bits="10", permessage-deflate', ['permessage-deflate; client_max_window_bits=10; server_no_context_takeover; client_no_context_takeover, permessage-deflate; server_no_context_takeover; client_no_context_takeover']],
    ['permessage-deflate; something=1', []],
    ['permessage-deflate; a; a', []],
    ['permessage-deflate; =', []],
    ['foo', []]
  ]
  for (const [offer, expected] of offers) {
    const { request, client } = await openSession(t, { headers: { 'Sec-WebSocket-Extensions': offer }, route: { websocket: { closeTimeout: 200, messages: { fromClient () {} } } } })
    t.same(valuesOf(request, 'sec-websocket-extensions'), expected, offer)
    client.reset()
  }
})

t.test('a target that keeps context takeover, or chooses something else, gets no session', async t => {
  for (const chosen of ['permessage-deflate', 'permessage-deflate; client_no_context_takeover', 'permessage-deflate; server_no_context_takeover; server_max_window_bits=7', 'permessage-deflate; server_no_context_takeover, permessage-deflate', 'permessage-deflate; server_no_context_takeover; x=;', 'foo']) {
    const target = await rawTarget(t)
    const { port } = await startGateway(t, { targets: [target.url], route: { websocket: { messages: { fromClient () {} } } } })
    const response = exchange(t, port, handshake({ headers: { 'Sec-WebSocket-Extensions': `${OFFER}, foo` } }))
    const server = await target.next()
    server.write(goodResponse(await server.head(), [`Sec-WebSocket-Extensions: ${chosen}`]))
    t.equal((await response).status, 502, chosen)
    server.end()
  }
})

t.test('what grows too large when it is decompressed, or cannot be, is refused', async t => {
  const cases: Array<[string, Buffer, string, MessageOptions]> = [
    ['a bomb', deflated(Buffer.alloc(10_000_000)), '1009 a message that is too long', { maxSize: 100_000 }],
    ['a bomb for a large limit', deflated(Buffer.alloc(10_000_000)), '1009 a message that is too long', { maxSize: 9_000_000 }],
    ['rubbish', Buffer.from([0xff, 0xff, 0xff, 1, 2, 3]), '1007 a message that cannot be decompressed', {}],
    ['text that is not UTF-8', deflated(Buffer.from([0xff, 0xfe])), '1007 a text message that is not UTF-8', {}]
  ]
  for (const [name, payload, expected, options] of cases) {
    const session = await openSession(t, { headers: { 'Sec-WebSocket-Extensions': OFFER }, answer: [AGREED], route: { websocket: { closeTimeout: 200, messages: { fromClient () {}, ...options } } } })
    session.client.write(masked(0xc1, payload))
    t.equal(await session.client.close(), expected, name)
    session.client.end()
    await session.gateway.ended()
  }
})

t.test("compression: 'off' leaves nothing to decompress", async t => {
  const { request, client } = await openSession(t, { headers: { 'Sec-WebSocket-Extensions': OFFER }, route: { websocket: { closeTimeout: 200, compression: 'off', messages: { fromClient () {} } } } })
  t.same(valuesOf(request, 'sec-websocket-extensions'), [])
  client.reset()
})

t.test('a route without hooks leaves the extensions to client and target', async t => {
  const offer = 'x-something; a=b, permessage-deflate'
  const { request, answer, client } = await openSession(t, { headers: { 'Sec-WebSocket-Extensions': offer }, answer: ['Sec-WebSocket-Extensions: permessage-deflate'] })
  t.same(valuesOf(request, 'sec-websocket-extensions'), [offer])
  t.same(valuesOf(answer, 'sec-websocket-extensions'), ['permessage-deflate'])
  client.reset()
})
