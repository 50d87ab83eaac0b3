import t from 'tap'
import { resources, startGateway } from '../../helpers/gateway.js'
import { exchange, handshake } from '../../helpers/raw-client.js'
import { blackHole, goodResponse, rawTarget, refusingPort } from '../../helpers/raw-target.js'
import { Wire, type Head } from '../../helpers/wire.js'

type Misbehaviour = (server: Wire, request: Head) => void

const UNREACHABLE = [502, 'SLUICE_TARGET_UNREACHABLE'] as const
const INVALID = [502, 'SLUICE_TARGET_RESPONSE_INVALID'] as const
const TOO_LARGE = [502, 'SLUICE_TARGET_HEADERS_TOO_LARGE'] as const
const TIMEOUT = [504, 'SLUICE_TARGET_TIMEOUT'] as const

const CASES: Record<string, [misbehave: Misbehaviour, answer: readonly [status: number, code: string]]> = {
  'is silent': [() => {}, TIMEOUT],
  'ends without a byte': [server => server.end(), UNREACHABLE],
  resets: [server => server.reset(), UNREACHABLE],
  'sends garbage': [server => server.write('220 smtp.internal ESMTP\r\n'), INVALID],
  'sends binary garbage': [server => server.write(Buffer.alloc(300, 0x81)), INVALID],
  'sends half a head and ends': [server => server.write('HTTP/1.1 101 Switching Protocols\r\nUpgr').end(), INVALID],
  'sends half a head and resets': [server => { server.write('HTTP/1.1 101 Switching Protocols\r\nUpgr').socket.end(() => server.reset()) }, INVALID],
  'sends half a head and stays silent': [server => server.write('HTTP/1.1 101 Switching Protocols\r\nUpgr'), TIMEOUT],
  'sends interim responses alone': [server => server.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n'), TIMEOUT],
  'sends a head of 100 KB': [server => server.write(`HTTP/1.1 101 Switching Protocols\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`), TOO_LARGE],
  'sends a head without end': [server => server.write('HTTP/1.1 101 Switching Protocols\r\n').write('X: y\r\n'.repeat(20_000)), TOO_LARGE],
  'sends a 101 without Sec-WebSocket-Accept': [(server, request) => server.write(goodResponse(request).replace(/Sec-.*\r\n/, '')), INVALID],
  'sends a wrong Sec-WebSocket-Accept': [(server, request) => server.write(goodResponse(request).replace(/Accept: ./, 'Accept: _')), INVALID],
  'sends a 101 without Upgrade': [(server, request) => server.write(goodResponse(request).replace('Upgrade: websocket\r\n', '')), INVALID],
  'sends a 101 without Connection': [(server, request) => server.write(goodResponse(request).replace('Connection: Upgrade\r\n', '')), INVALID],
  'sends a 101 without any header': [server => server.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'), INVALID],
  'upgrades to something else': [(server, request) => server.write(goodResponse(request).replace('websocket', 'h2c')), INVALID],
  'picks a subprotocol that was not offered': [(server, request) => server.write(goodResponse(request, ['Sec-WebSocket-Protocol: other'])), INVALID],
  'uses an extension that was not offered': [(server, request) => server.write(goodResponse(request, ['Sec-WebSocket-Extensions: x-other'])), INVALID]
}

for (const [name, [misbehave, [status, code]]] of Object.entries(CASES)) {
  t.test(`a target that ${name}: ${status}, and its connection is closed`, async t => {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], route: { websocket: { handshakeTimeout: code === TIMEOUT[1] ? 100 : 5000 } } })
    const before = resources()
    const answered = exchange(t, gateway.port, handshake({ headers: { 'Sec-WebSocket-Protocol': 'chat', 'Sec-WebSocket-Extensions': 'permessage-deflate' } }))
    const server = await target.next()
    misbehave(server, await server.head())
    const answer = await answered
    t.equal(answer.status, status)
    t.match(JSON.parse(answer.body), { statusCode: status, code })
    t.notMatch(JSON.stringify(answer), /127\.0\.0\.1|localhost|smtp|internal|ECONN|HPE/, 'nothing internal is told')
    t.notMatch(JSON.stringify(answer), String(target.port))
    await server.over()
    await gateway.idle()
    t.equal(target.connections, 1, 'a target that was reached is not asked twice')
    t.match(resources(), { timers: before.timers }, 'no timer is left')
    t.equal(gateway.app.gateway.sessions.size, 0)
  })
}

t.test('a target that refuses: 502', async t => {
  const port = await refusingPort()
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${port}`] })
  const answer = await exchange(t, gateway.port, handshake())
  t.equal(answer.status, 502)
  t.match(JSON.parse(answer.body), { statusCode: 502, code: 'SLUICE_TARGET_UNREACHABLE' })
  t.notMatch(JSON.stringify(answer), String(port))
  t.match(JSON.stringify(gateway.log), 'ECONNREFUSED', 'the log has the cause')
})

t.test('a target that cannot be resolved: 502', async t => {
  const gateway = await startGateway(t, { targets: ['http://sluice-nowhere.invalid:1'] })
  const answer = await exchange(t, gateway.port, handshake())
  t.equal(answer.status, 502)
  t.notMatch(JSON.stringify(answer), /nowhere/)
})

t.test('a connection that never comes about: 502 after connectTimeout', async t => {
  const port = await blackHole(t)
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${port}`], upstream: { connectTimeout: 100 } })
  const answer = await exchange(t, gateway.port, handshake())
  t.equal(answer.status, 502)
  t.match(JSON.parse(answer.body), { code: 'SLUICE_TARGET_UNREACHABLE' })
  t.notMatch(JSON.stringify(answer), String(port))
})

t.test('a second target is asked when the first refuses, or breaks off before a response', async t => {
  const second = await rawTarget(t)
  const breaking = await rawTarget(t)
  for (const first of [`http://127.0.0.1:${await refusingPort()}`, breaking.url]) {
    const gateway = await startGateway(t, { targets: [first, second.url] })
    // Whichever comes first, by turns.
    for (let turn = 0; turn < 2; turn++) {
      breaking.next().then(wire => { wire.end() }, t.threw)
      const client = await Wire.connect(t, gateway.port)
      client.write(handshake())
      const server = await second.next()
      server.write(goodResponse(await server.head()))
      t.match((await client.head()).start, / 101 /)
    }
  }
})

t.test('a second target is not asked when the first has answered, or was silent', async t => {
  const first = await rawTarget(t)
  const second = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [{ url: first.url, weight: 1000 }, second.url], route: { websocket: { handshakeTimeout: 50 } } })
  const silent = exchange(t, gateway.port, handshake())
  await first.next()
  t.equal((await silent).status, 504)
  const invalid = exchange(t, gateway.port, handshake())
  const server = await first.next()
  await server.head()
  server.write('garbage\r\n\r\n')
  t.equal((await invalid).status, 502)
  t.equal(second.connections, 0)
})

t.test('interim responses before the 101 do no harm, nor does a Content-Length on it', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  const request = await server.head()
  server.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
  server.write(goodResponse(request, ['Content-Length: 5', 'X-Kept: 1'])).write(Buffer.from([0x81, 2, 0x68, 0x69]))
  const answer = await client.head()
  t.match(answer.start, / 101 /)
  t.notMatch(JSON.stringify(answer.headers), /content-length/i)
  t.match(answer.headers, [['Upgrade'], ['Connection'], ['Sec-WebSocket-Accept'], ['X-Kept', '1']])
  t.equal((await client.frame()).payload.toString(), 'hi', 'frames that came with it are not lost')
})

t.test('the head of a response may come a byte at a time', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  for (const byte of Buffer.from(goodResponse(await server.head()))) {
    server.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.match((await client.head()).start, / 101 /)
})
