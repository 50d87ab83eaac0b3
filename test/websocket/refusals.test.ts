import { once } from 'node:events'
import t from 'tap'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { rawTarget } from '../helpers/raw-target.js'
import { Wire, masked, valuesOf, type Head, type Teardown } from '../helpers/wire.js'

const FIVE_MB = 5 << 20

async function refuse (t: Teardown, answer: (server: Wire) => void, request = Buffer.from(handshake())): Promise<{ gateway: RunningGateway, client: Wire, server: Wire }> {
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], upstream: { bodyTimeout: 300 } })
  const client = await Wire.connect(t, gateway.port)
  client.socket.pause()
  client.write(request)
  const server = await target.next()
  await server.head()
  answer(server)
  return { gateway, client, server }
}

async function read (client: Wire): Promise<{ head: Head, body: string }> {
  client.socket.resume()
  const head = await client.head()
  const raw = await client.rest()
  client.end()
  const chunked = valuesOf(head, 'transfer-encoding').includes('chunked')
  return { head, body: chunked ? unchunked(raw) : raw }
}

function unchunked (raw: string): string {
  let body = ''
  for (let at = 0; ;) {
    const end = raw.indexOf('\r\n', at)
    const size = parseInt(raw.slice(at, end), 16)
    if (Number.isNaN(size)) throw new Error('the body is cut off')
    if (size === 0) return body
    body += raw.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
  }
}

for (const [status, reason] of [[401, 'Who Are You'], [302, 'Found'], [404, 'Nöt Here'], [426, 'Upgrade Required'], [503, 'Busy'], [200, 'OK']] as const) {
  t.test(`${status} is relayed as it is`, async t => {
    const { client, server, gateway } = await refuse(t, server => server.write([
      `HTTP/1.1 ${status} ${reason}`, 'Connection: keep-alive, Upgrade, X-Nominated', 'Upgrade: websocket', 'Keep-Alive: timeout=5', 'X-Nominated: 1',
      'Set-Cookie: a=1', 'Location: /login', 'WWW-Authenticate: Basic', 'Set-Cookie: b=2', 'Content-Type: text/x; charset=latin1', 'Sec-WebSocket-Version: 13, 8', 'Content-Length: 4', '', 'n\xf6\0!'
    ].join('\r\n')))
    const { head, body } = await read(client)
    t.equal(head.start, `HTTP/1.1 ${status} ${reason}`)
    t.equal(body, 'n\xf6\0!')
    t.same(valuesOf(head, 'set-cookie'), ['a=1', 'b=2'])
    t.same(valuesOf(head, 'location'), ['/login'])
    t.same(valuesOf(head, 'content-type'), ['text/x; charset=latin1'])
    t.same(valuesOf(head, 'sec-websocket-version'), ['13, 8'])
    t.same(valuesOf(head, 'content-length'), ['4'])
    t.same([...valuesOf(head, 'keep-alive'), ...valuesOf(head, 'x-nominated')], [])
    // RFC 9110 §15.5.22: a 426 names what to upgrade to; any other response is the end of it.
    t.same(valuesOf(head, 'upgrade'), status === 426 ? ['websocket'] : [])
    t.same(valuesOf(head, 'connection'), [status === 426 ? 'close, upgrade' : 'close'])
    await server.over()
    await gateway.idle()
    t.equal(gateway.ends.length, 0)
  })
}

const BODIES: Record<string, [head: string, body: (size: number) => Array<string | Buffer>, end: boolean]> = {
  'with a length': ['Content-Length: SIZE', size => [Buffer.alloc(size, 'x')], false],
  chunked: ['Transfer-Encoding: chunked', size => size === 0 ? ['0\r\n\r\n'] : [`${(size >> 1).toString(16)}\r\n`, Buffer.alloc(size >> 1, 'x'), `\r\n${(size - (size >> 1)).toString(16)};ext=1\r\n`, Buffer.alloc(size - (size >> 1), 'x'), '\r\n0\r\n\r\n'], false],
  'up to the end of the connection': ['X-Close: 1', size => [Buffer.alloc(size, 'x')], true]
}

for (const [kind, [line, body, end]] of Object.entries(BODIES)) {
  for (const size of [0, 2, 100_000, FIVE_MB]) {
    t.test(`a body ${kind}, of ${size} bytes`, async t => {
      const { client, server, gateway } = await refuse(t, server => {
        server.write(`HTTP/1.1 403 Forbidden\r\n${line.replace('SIZE', String(size))}\r\n\r\n`)
        for (const part of body(size)) server.write(part)
        if (end) server.end()
      })
      const { head, body: received } = await read(client)
      t.match(head.start, / 403 /)
      t.ok(received === 'x'.repeat(size), `${received.length} of ${size} bytes`)
      await server.over()
      await gateway.idle()
    })
  }
}

t.test('a slow reader gets 5 MB, and holds the target back', async t => {
  const { client, server, gateway } = await refuse(t, server => {
    server.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${FIVE_MB * 4}\r\n\r\n`).write(Buffer.alloc(FIVE_MB * 4, 'x'))
  })
  let received = 0
  client.socket.removeAllListeners('data')
  client.socket.on('data', chunk => {
    received += chunk.length
    // A standstill now and then, shorter than the limit on it.
    if (received % 7 === 0) {
      client.socket.pause()
      setImmediate(() => client.socket.resume())
    }
  })
  client.socket.resume()
  await once(client.socket, 'end')
  t.ok(received > FIVE_MB * 4)
  client.end()
  await server.over()
  await gateway.idle()
})

t.test('a reader that sent frames early gets the whole refusal', async t => {
  const early = Buffer.concat([Buffer.from(handshake()), ...Array.from({ length: 20 }, () => masked(0x82, Buffer.alloc(50_000)))])
  const { client, gateway } = await refuse(t, server => {
    server.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${FIVE_MB}\r\n\r\n`).write(Buffer.alloc(FIVE_MB, 'x'))
  }, early)
  const { body } = await read(client)
  t.equal(body.length, FIVE_MB)
  await gateway.idle()
})

t.test('a client that neither ends nor stops sending is cut after the response', async t => {
  const { client, gateway } = await refuse(t, server => { server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno') })
  client.socket.resume()
  const flood = setInterval(() => { client.write(Buffer.alloc(1000)) }, 10)
  client.socket.once('close', () => { clearInterval(flood) })
  t.equal((await client.rest()).slice(-2), 'no')
  await gateway.idle()
})

t.test('a body that breaks off, breaks off', async t => {
  for (const reset of [false, true]) {
    const { client, server, gateway } = await refuse(t, server => { server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf') })
    client.socket.resume()
    await client.head()
    await client.bytes(4)
    if (reset) server.reset()
    else server.end()
    t.equal(await client.rest(), '')
    client.end()
    await gateway.idle()
    await server.over()
  }
})

t.test('a body that stands still is broken off after bodyTimeout', async t => {
  const { client, server, gateway } = await refuse(t, server => { server.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf') })
  client.socket.resume()
  await client.head()
  t.equal(await client.rest(), 'half')
  client.end()
  await server.over()
  await gateway.idle()
})

t.test('a client that leaves during the body lets go of the target', async t => {
  const { client, server, gateway } = await refuse(t, server => {
    server.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${FIVE_MB * 4}\r\n\r\n`).write(Buffer.alloc(FIVE_MB * 4, 'x'))
  })
  client.socket.resume()
  await client.head()
  client.reset()
  await server.over()
  await gateway.idle()
})

for (const size of [FIVE_MB * 4, FIVE_MB]) {
  t.test(`a client that never reads a refusal of ${size} bytes is cut after bodyTimeout, and close() does not wait for it`, async t => {
    const { server, client, gateway } = await refuse(t, server => {
      server.write(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${size}\r\n\r\n`).write(Buffer.alloc(size, 'x'))
    })
    client.socket.resume()
    await client.head()
    client.socket.pause()
    await gateway.app.close()
    await server.over()
  })
}
