import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import t from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway, type GatewaySettings } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire } from '../helpers/wire.js'

// Issue 8, item 23

const POST = 'POST /order HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody'
const CHUNKED = 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n'

/** What stands in the same packet as the head, and what of the body comes before the fault. */
const FAULTS: Record<string, { text: string, body: string }> = {
  'garbage for chunks': { text: `${CHUNKED}hello\r\n`, body: '' },
  'a wrong chunk behind a good one': { text: `${CHUNKED}5\r\nhello\r\nzz\r\n`, body: 'hello' },
  'a chunk that is longer than its size': { text: `${CHUNKED}5\r\nhellooo\r\n`, body: 'hello' },
  'many chunks and a wrong one': { text: `${CHUNKED}${'5\r\nhello\r\n'.repeat(1_000)}zz\r\n`, body: 'hello'.repeat(1_000) },
  'wrong trailers': { text: `${CHUNKED}5\r\nhello\r\n0\r\nA\r\n\r\n`, body: 'hello' }
}

const WAYS: Record<string, Partial<GatewaySettings>> = {
  directly: {},
  'through an onSend hook': { setup: app => { app.addHook('onSend', async () => {}) } },
  'through a slow onSend hook': { setup: app => { app.addHook('onSend', async () => { await new Promise(resolve => setTimeout(resolve, 30)) }) } }
}

/** The data of the chunks that have come. */
function dataOf (text: string): string {
  let data = ''
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n', at)
    const size = parseInt(text.slice(at, end), 16)
    data += text.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
    if (size === 0) return `${data}, and its end`
  }
  return data
}

for (const [way, settings] of Object.entries(WAYS)) {
  for (const [fault, { text, body }] of Object.entries(FAULTS)) {
    for (const secure of [false, true]) {
      t.test(`${fault} in one packet with the head: the client gets what came before, then the end; ${way}${secure ? ', over TLS' : ''}`, async t => {
        const target = await rawTarget(t)
        const certificate = secure ? await selfSigned(t, 'IP:127.0.0.1') : undefined
        const gateway = await startGateway(t, { targets: [target.url], ...settings, ...(certificate !== undefined && { fastify: { logger: false, https: certificate } as GatewaySettings['fastify'] & object }) })
        let client: Wire
        if (certificate !== undefined) {
          const socket = connectTls({ port: gateway.port, host: '127.0.0.1', ca: certificate.cert })
          await once(socket, 'secureConnect')
          client = new Wire(t, socket)
        } else {
          client = await Wire.connect(t, gateway.port)
        }
        client.write(POST)
        const server = await target.next()
        await server.head()
        await server.bytes(4)
        server.write(text)
        t.equal((await client.head()).start, 'HTTP/1.1 201 Created')
        t.equal(dataOf(await client.rest()), body)
        t.equal(target.connections, 1, 'it is not asked again')
      })
    }
  }
}

t.test('a length that is too short for what comes is no fault of the response, and garbage behind it goes nowhere', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url] })
  const client = await Wire.connect(t, gateway.port)
  client.write(POST)
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhellogarbage')
  t.equal((await client.head()).start, 'HTTP/1.1 201 Created')
  t.equal((await client.bytes(5)).toString(), 'hello')
  await server.over()
  t.equal(client.length, 0)
})

t.test('what a slow reader has not taken yet reaches it before the end', async t => {
  for (const settings of [WAYS['directly']!, WAYS['through an onSend hook']!]) {
    const target = await rawTarget(t)
    const gateway = await startGateway(t, { targets: [target.url], ...settings })
    const client = await Wire.connect(t, gateway.port)
    client.socket.pause()
    client.write(POST)
    const server = await target.next()
    await server.head()
    const size = 8 * 1024 ** 2
    const chunk = `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
    await new Promise<void>(resolve => {
      server.socket.write(`${CHUNKED}${chunk}${chunk}zz\r\n`, 'latin1', () => resolve())
      // It is held back by the client, which begins to read now.
      setTimeout(() => client.socket.resume(), 50)
    })
    await client.head()
    t.equal(dataOf(await client.rest()).length, 2 * size)
  }
})

t.test('a client that reads nothing more does not keep the exchange', async t => {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { bodyTimeout: 100 } })
  const client = await Wire.connect(t, gateway.port)
  client.socket.pause()
  client.write(POST)
  const server = await target.next()
  await server.head()
  const size = 64 * 1024 ** 2
  server.socket.on('error', () => {})
  server.write(`${CHUNKED}${size.toString(16)}\r\n`)
  server.socket.write(Buffer.alloc(size))
  await gateway.idle()
  t.pass('it is ended')
})
