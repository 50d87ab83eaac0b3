import t from 'tap'
import { startGateway } from '../helpers/gateway.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget } from '../helpers/raw-target.js'
import { Wire, valuesOf } from '../helpers/wire.js'

// Issue 8, item 11

const GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

t.test('a response head of 60 KB passes, and one beyond 64 KiB is 502 by the name of its limit', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  for (const [size, status] of [[60_000, 200], [65_536, 502]] as const) {
    const response = exchange(t, gateway.port, GET)
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(size)}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`)
    const { status: got, body } = await response
    t.equal(got, status)
    if (status === 502) t.match(JSON.parse(body), { code: 'SLUICE_TARGET_HEADERS_TOO_LARGE', message: 'The upstream sent response headers that are too large' })
  }
  const logged = JSON.stringify(gateway.log)
  t.match(logged, /maxHeaderSize of the upstream, 65536 bytes/, 'the log names the option')
})

t.test('maxHeaderSize of the upstream raises and lowers it', async t => {
  for (const [maxHeaderSize, size, status] of [[200_000, 190_000, 200], [2_000, 1_000, 200], [2_000, 2_000, 502]] as const) {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], upstream: { maxHeaderSize } })
    const response = exchange(t, gateway.port, GET)
    const server = await target.next()
    await server.head()
    server.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(size)}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`)
    t.equal((await response).status, status, `${size} of ${maxHeaderSize}`)
  }
})

t.test('it holds for handshakes: a 101, and a refusal', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { maxHeaderSize: 30_000 } })
  for (const [size, good] of [[20_000, true], [30_000, false]] as const) {
    const client = await Wire.connect(t, gateway.port)
    client.write(handshake())
    const server = await target.next()
    server.write(goodResponse(await server.head(), [`X: ${'a'.repeat(size)}`]))
    const head = await client.head()
    t.equal(head.start, good ? 'HTTP/1.1 101 Switching Protocols' : 'HTTP/1.1 502 Bad Gateway')
    if (!good) t.match((await client.bytes(Number(valuesOf(head, 'content-length')[0]))).toString(), 'SLUICE_TARGET_HEADERS_TOO_LARGE')
    client.reset()
    await server.over()
  }
  const client = await Wire.connect(t, gateway.port)
  client.write(handshake())
  const server = await target.next()
  await server.head()
  server.write(`HTTP/1.1 403 Forbidden\r\nX: ${'a'.repeat(30_000)}\r\n\r\n`)
  t.equal((await client.head()).start, 'HTTP/1.1 502 Bad Gateway')
})
