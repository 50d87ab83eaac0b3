import t from 'tap'
import { acceptOf } from '../../../src/message/accept-key.js'
import { responseFault, rsvBits } from '../../../src/websocket/handshake/validation.js'
import { openSession, startGateway, type RunningGateway } from '../../helpers/gateway.js'
import { ACCEPT, KEY, exchange, handshake } from '../../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../../helpers/raw-target.js'
import { Wire, frame, masked, valuesOf, type Teardown } from '../../helpers/wire.js'

async function start (t: Teardown): Promise<{ gateway: RunningGateway, target: RawTarget }> {
  const target = await rawTarget(t)
  return { target, gateway: await startGateway(t, { targets: [target.url] }) }
}

/** Each handshake that breaks RFC 6455 §4.2.1, and what its sender is told. */
const INVALID: Record<string, [request: string, message: RegExp]> = {
  'no key': [handshake({ headers: { 'Sec-WebSocket-Key': '' } }), /Sec-WebSocket-Key/],
  'an empty key': [handshake({ headers: { 'Sec-WebSocket-Key': ' ' } }), /Sec-WebSocket-Key/],
  'a short key': [handshake({ headers: { 'Sec-WebSocket-Key': 'c2hvcnQ=' } }), /Sec-WebSocket-Key/],
  'a long key': [handshake({ headers: { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZSB0aGF0IGlzIHRvbyBsb25n' } }), /Sec-WebSocket-Key/],
  'a key that is not base64': [handshake({ headers: { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' } }), /Sec-WebSocket-Key/],
  'two keys': [handshake({ lines: [`Sec-WebSocket-Key: ${KEY}`] }), /Sec-WebSocket-Key/],
  'no upgrade in Connection': [handshake({ headers: { Connection: 'keep-alive' } }), /Connection must list/],
  'no Connection': [handshake({ headers: { Connection: '' } }), /Connection must list/],
  'a bad subprotocol': [handshake({ headers: { 'Sec-WebSocket-Protocol': 'chat, super chat' } }), /Sec-WebSocket-Protocol/],
  'a subprotocol twice': [handshake({ headers: { 'Sec-WebSocket-Protocol': 'chat' }, lines: ['Sec-WebSocket-Protocol: chat'] }), /each once/],
  'another method': [handshake({ start: 'PUT /ws HTTP/1.1' }), /method must be GET/],
  'a POST with a body': [`${handshake({ start: 'POST /ws HTTP/1.1', lines: ['Content-Length: 5'] })}hello`, /method must be GET/],
  'a POST with a chunked body': [`${handshake({ start: 'POST /ws HTTP/1.1', lines: ['Transfer-Encoding: chunked'] })}5\r\nhello\r\n0\r\n\r\n`, /method must be GET/],
  'a GET with a body': [`${handshake({ lines: ['Content-Length: 5'] })}hello`, /no body/],
  'a GET with a chunked body': [`${handshake({ lines: ['Transfer-Encoding: chunked'] })}5\r\nhello\r\n0\r\n\r\n`, /no body/],
  'HTTP/1.0': [handshake({ start: 'GET /ws HTTP/1.0' }), /HTTP\/1.1/],
  'no Host': [handshake({ headers: { Host: '' } }), /Host/],
  'two Hosts': [handshake({ lines: ['Host: other.test'] }), /Host/]
}

for (const [name, [request, message]] of Object.entries(INVALID)) {
  t.test(`400 for ${name}`, async t => {
    const { target, gateway } = await start(t)
    const answer = await exchange(t, gateway.port, request)
    t.equal(answer.status, 400)
    t.match(JSON.parse(answer.body), { statusCode: 400, code: 'SLUICE_HANDSHAKE_INVALID', error: 'Bad Request', message })
    t.same(valuesOf(answer, 'connection'), ['close'])
    await gateway.idle()
    t.equal(target.connections, 0, 'nothing has reached the target')
    t.equal((await openSession(t, { on: { gateway, target } })).answer.start, 'HTTP/1.1 101 Switching Protocols', 'and the next client is served')
  })
}

for (const version of ['12', '14', '0', '13, 13', 'x', '']) {
  t.test(`426 naming 13 for version '${version}'`, async t => {
    const { target, gateway } = await start(t)
    const answer = await exchange(t, gateway.port, handshake({ headers: { 'Sec-WebSocket-Version': version } }))
    t.equal(answer.status, 426)
    t.same(valuesOf(answer, 'sec-websocket-version'), ['13'])
    t.same(valuesOf(answer, 'upgrade'), ['websocket'])
    t.match(valuesOf(answer, 'connection').join(), /upgrade/)
    t.match(JSON.parse(answer.body), { statusCode: 426, code: 'SLUICE_HANDSHAKE_VERSION', error: 'Upgrade Required' })
    await gateway.idle()
    t.equal(target.connections, 0)
  })
}

/** What RFC 6455 and RFC 9110 allow, though few send it. */
const UNUSUAL: Record<string, string> = {
  'a list in Connection': handshake({ headers: { Connection: 'keep-alive , UPGRADE' } }),
  'Connection twice': handshake({ headers: { Connection: 'keep-alive' }, lines: ['Connection: Upgrade'] }),
  'another protocol in Upgrade': handshake({ headers: { Upgrade: 'h2c, WebSocket' } }),
  'an empty body': handshake({ lines: ['Content-Length: 0'] }),
  'an empty subprotocol list': handshake({ lines: ['Sec-WebSocket-Protocol:'] }),
  'header names in another case': handshake().replace('Sec-WebSocket-Key', 'SEC-WEBSOCKET-KEY').replace('Upgrade:', 'uPgRaDe:')
}

for (const [name, request] of Object.entries(UNUSUAL)) {
  t.test(`101 with ${name}`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url] })
    const client = await Wire.connect(t, gateway.port)
    client.write(request)
    const server = await target.next()
    const seen = await server.head()
    t.same(valuesOf(seen, 'connection'), ['Upgrade'])
    t.same(valuesOf(seen, 'upgrade'), ['websocket'])
    server.write(goodResponse(seen))
    t.equal((await client.head()).start, 'HTTP/1.1 101 Switching Protocols')
  })
}

t.test('the accept of a key is that of RFC 6455 §1.3', async t => {
  t.equal(acceptOf(KEY), ACCEPT)
})

t.test('what is wrong with a 101', async t => {
  const offer = { key: KEY, protocols: ['chat', 'Superchat'], extensions: ['permessage-deflate'] }
  const good = ['Upgrade', 'WebSocket', 'Connection', 'keep-alive, upgrade', 'Sec-WebSocket-Accept', ACCEPT]
  const fault = (...more: string[]) => responseFault(offer, [...good, ...more])
  t.equal(fault(), undefined)
  t.equal(fault('sec-websocket-protocol', 'chat'), undefined)
  t.equal(fault('Sec-WebSocket-Extensions', 'permessage-deflate; server_max_window_bits=10'), undefined)
  t.match(fault('Sec-WebSocket-Protocol', 'superchat'), /subprotocol/, 'subprotocols are case-sensitive')
  t.equal(fault('Sec-WebSocket-Protocol', ''), undefined, 'an empty header names none (issue 8, item 5)')
  t.equal(fault('Sec-WebSocket-Protocol', ' ', 'Sec-WebSocket-Protocol', 'chat'), undefined)
  t.match(fault('Sec-WebSocket-Protocol', 'chat', 'Sec-WebSocket-Protocol', 'chat'), /subprotocol/)
  t.match(fault('Sec-WebSocket-Protocol', 'chat, Superchat'), /subprotocol/, 'one, not a list')
  t.match(fault('Sec-WebSocket-Extensions', 'x-other'), /extension/)
  t.match(fault('Sec-WebSocket-Accept', ACCEPT), /Accept/, 'twice')
  t.match(responseFault(offer, good.slice(2)), /Upgrade/)
  t.match(responseFault(offer, ['Upgrade', 'websocket', ...good.slice(4)]), /Connection/)
  t.match(responseFault(offer, [...good.slice(0, 4), 'Sec-WebSocket-Accept', acceptOf('other')]), /Accept/)
})

t.test('the RSV bits that extensions use', async t => {
  t.equal(rsvBits([]), 0)
  t.equal(rsvBits(['Sec-WebSocket-Extensions', 'permessage-deflate; client_no_context_takeover']), 0x40)
  t.equal(rsvBits(['Sec-WebSocket-Extensions', 'x-unknown']), 0x70)
})

// Issue 8, item 5

t.test('an empty Sec-WebSocket-Protocol in a 101 is none, as Kubernetes sends it', async t => {
  for (const protocol of ['', 'v4.channel.k8s.io']) {
    const { answer, gateway } = await openSession(t, { headers: { 'Sec-WebSocket-Protocol': protocol }, answer: ['Sec-WebSocket-Protocol: '] })
    t.equal(answer.start, 'HTTP/1.1 101 Switching Protocols')
    t.same(valuesOf(answer, 'sec-websocket-protocol'), [''], 'as it came')
    t.match(gateway.app.gateway.sessions.list(), [{ subprotocol: undefined }])
  }
})

const LENIENT = { websocket: { strict: false, closeTimeout: 200 } }

t.test('with strict: false a target gets the handshake as it is, and decides', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: LENIENT })
  const charger = Buffer.alloc(32, 'k').toString('base64')
  for (const request of [
    handshake({ headers: { 'Sec-WebSocket-Key': charger } }),
    handshake({ headers: { 'Sec-WebSocket-Key': 'SGVsbG8sIHdvcmxkIQ==' } }),
    handshake({ lines: ['Sec-WebSocket-Version: 13'] }),
    handshake({ headers: { 'Sec-WebSocket-Version': '8' }, lines: ['Sec-WebSocket-Version: 8'] }),
    handshake({ headers: { 'Sec-WebSocket-Version': '7' } }),
    handshake({ headers: { 'Sec-WebSocket-Protocol': 'two words, two words, a/b' } }),
    handshake({ start: 'GET /ws HTTP/1.0' }),
    handshake({ start: 'GET /ws HTTP/1.0', headers: { Host: '' } })
  ]) {
    const client = await Wire.connect(t, gateway.port)
    client.write(request).write(masked(0x81, 'early'))
    const server = await target.next()
    const seen = await server.head()
    t.equal(seen.start, 'GET /ws HTTP/1.1')
    for (const name of ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol']) {
      t.same(valuesOf(seen, name), [...request.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gim'))].map(([, value]) => value), name)
    }
    t.equal(valuesOf(seen, 'host').length, 1)
    t.equal(server.length, 0, 'nothing of the client comes before the 101')
    server.write(goodResponse(seen)).write(frame(0x81, 'hello'))
    t.equal((await client.head()).start, 'HTTP/1.1 101 Switching Protocols')
    t.equal((await client.frame()).payload.toString(), 'hello')
    t.equal((await server.frame()).payload.toString(), 'early')
  }
})

t.test('with strict: false what is no handshake is refused still', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: LENIENT })
  for (const request of [
    handshake({ start: 'POST /ws HTTP/1.1' }),
    handshake({ lines: ['Content-Length: 5'] }) + 'hello',
    handshake({ lines: ['Transfer-Encoding: chunked'] }) + '0\r\n\r\n',
    handshake({ start: 'GET /ws HTTP/1.0', lines: ['Content-Length: 5'] }) + 'hello',
    handshake({ lines: ['Host: other.test'] }),
    handshake({ headers: { Host: '' } }),
    handshake({ headers: { Connection: 'close' } })
  ]) {
    t.equal((await exchange(t, gateway.port, request)).status, 400, request)
  }
  t.equal(target.connections, 0)
})

t.test('with strict: false nothing but a 101 opens a tunnel', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: LENIENT })
  for (const [answer, status] of [
    ['HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n', 200],
    ['HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n', 426],
    ['HTTP/1.1 200 OK\nContent-Length: 0\n\n', 502],
    ['HTTP/1.1 1010 Switching Protocols\r\n\r\n', 502],
    ['HTTP/1.1 101x\r\n\r\n', 502],
    ['HTTP/2 101 Switching Protocols\r\n\r\n', 502]
  ] as const) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake()).write(masked(0x81, 'early'))
    const server = await target.next()
    await server.head()
    server.write(answer)
    t.match((await client.head()).start, `HTTP/1.1 ${status} `, answer)
    await client.rest()
    client.end()
    t.equal(await server.rest(), '', 'no byte of the client has reached it')
    server.end()
  }
})

t.test("with strict: false the route's own options hold", async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { strict: false, protocols: ['chat', 'feed'], compression: 'off' } } })
  for (const [line, status] of [
    ['Sec-WebSocket-Protocol: chat', 101],
    ['Sec-WebSocket-Protocol: feed', 101],
    ['Sec-WebSocket-Protocol: other', 502],
    ['Sec-WebSocket-Protocol: chat, other', 502],
    ['Sec-WebSocket-Extensions: permessage-deflate', 502]
  ] as const) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake({ headers: { 'Sec-WebSocket-Protocol': 'chat, other', 'Sec-WebSocket-Extensions': 'permessage-deflate' } }))
    const server = await target.next()
    server.write(goodResponse(await server.head(), [line]))
    t.match((await client.head()).start, ` ${status} `, line)
    client.reset()
  }
})
