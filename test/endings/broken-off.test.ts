import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { selfSigned } from '../helpers/certificates.js'
import { listeners, type Listener } from '../helpers/listeners.js'
import { handshake } from '../helpers/raw-client.js'
import { Wire } from '../helpers/wire.js'
import { requestAt, ROUTES, start, type Endings } from './gateway.js'

/*
 * Issue 8, item 17: a target breaks off in mid-response, on every kind of listener. The client sees that the response
 * is not whole.
 */

/** How a target begins its response before it breaks off, and all that may be seen of its body. */
const beginnings: Record<string, string> = {
  'a head with Content-Length': 'Content-Length: 100\r\n\r\n',
  'part of a body with Content-Length': 'Content-Length: 100\r\n\r\npartial',
  'a head with chunks to come': 'Transfer-Encoding: chunked\r\n\r\n',
  'a whole chunk': 'Transfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n',
  'part of a chunk': 'Transfer-Encoding: chunked\r\n\r\nff\r\npartial',
  'part of the last chunk': 'Transfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n0\r\n'
}

const breaks: Record<string, (server: Wire) => void> = {
  FIN: server => server.end(),
  RST: server => server.reset()
}

const certificate = await selfSigned(t, 'IP:127.0.0.1')

for (const [kind, listener] of Object.entries(listeners)) {
  t.test(kind, async t => {
    const gateway = await start(t, listener, certificate)
    for (const [way, prefix] of Object.entries(ROUTES)) {
      for (const version of ['1.1', '1.0']) {
        for (const [begun, text] of Object.entries(beginnings)) {
          for (const [end, breakOff] of Object.entries(breaks)) {
            t.test(`${way}, HTTP/${version}: ${end} behind ${begun}`, async t => {
              const path = `${prefix}/x`
              await checkBroken(t, gateway, listener, `GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`, { path, text: `HTTP/1.1 200 OK\r\n${text}`, breakOff })
            })
          }
        }
        // Without a length, a FIN is the end of the body (RFC 9112 §6.3).
        t.test(`${way}, HTTP/${version}: RST in a body without a length`, async t => {
          const path = `${prefix}/x`
          await checkBroken(t, gateway, listener, `GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`, { path, text: 'HTTP/1.1 200 OK\r\n\r\npartial', breakOff: breaks['RST']! })
        })
      }
      for (const [begun, text] of Object.entries(beginnings)) {
        for (const [end, breakOff] of Object.entries(breaks)) {
          t.test(`${way}, a refused handshake: ${end} behind ${begun}`, async t => {
            const path = `${prefix}/ws`
            await checkBroken(t, gateway, listener, handshake({ path }), { path, text: `HTTP/1.1 403 Forbidden\r\n${text}`, breakOff })
          })
        }
      }
    }
    if (listener.tls === true) {
      t.test('TLS tells a whole response from one that has been broken off', async t => {
        const { client, hasAlert } = await connectTo(t, gateway, listener)
        client.write('GET /direct/x HTTP/1.0\r\nHost: a\r\n\r\n')
        const server = await requestAt(gateway.target, '/direct/x')
        server.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n0\r\n\r\n').end()
        t.match(await client.rest(), /\r\n\r\npartial$/)
        t.equal(hasAlert(), true)
      })
    }
  })
}

interface Breaking {
  path: string
  /** What the target writes of its response. */
  text: string
  breakOff (server: Wire): void
}

async function checkBroken (t: Test, gateway: Endings, listener: Listener, request: string, { path, text, breakOff }: Breaking): Promise<void> {
  const { client, hasAlert } = await connectTo(t, gateway, listener)
  client.write(request)
  const server = await requestAt(gateway.target, path)
  server.write(text)
  // A reset may overtake what has not been read.
  const { start, headers } = await client.head()
  t.equal(start.split(' ')[1], text.split(' ')[1])
  if (text.includes('partial')) await client.has('partial'.length)
  breakOff(server)
  const body = await client.rest()
  const has = (name: string): boolean => headers.some(([header]) => header.toLowerCase() === name)
  if (has('content-length')) {
    t.ok(body.length < 100, 'shorter than its length')
  } else if (has('transfer-encoding')) {
    t.notMatch(body, /0\r\n\r\n$/, 'without the last chunk')
  } else if (listener.tls === true) {
    t.equal(hasAlert(), false, 'an end of TLS without close_notify')
  } else if (listener.unix !== true) {
    t.equal(client.error?.code, 'ECONNRESET', 'a reset')
  }
  client.end()
  await client.gone()
  server.end()
  await gateway.checkAlive()
}

/** A client, and over TLS whether the gateway has said that the connection ends. */
async function connectTo (t: Test, gateway: Endings, listener: Listener): Promise<{ client: Wire, hasAlert: () => boolean }> {
  if (listener.tls !== true) return { ...await gateway.connect(), hasAlert: () => false }
  const received: Buffer[] = []
  const relay = createServer({ allowHalfOpen: true }, (near: Socket) => {
    const far = connect((gateway.app.server.address() as AddressInfo).port, '127.0.0.1')
    far.on('data', (chunk: Buffer) => received.push(chunk))
    far.pipe(near)
    near.pipe(far)
    for (const socket of [near, far]) socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  t.teardown(() => { relay.close() })
  await once(relay, 'listening')
  // Newer versions encrypt what kind of record one is.
  const client = connectTls({ port: (relay.address() as AddressInfo).port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] })
  await once(client, 'secureConnect')
  return {
    client: new Wire(t, client),
    hasAlert: () => {
      const all = Buffer.concat(received)
      for (let index = 0; index < all.length; index += 5 + all.readUInt16BE(index + 3)) if (all[index] === 21) return true
      return false
    }
  }
}
