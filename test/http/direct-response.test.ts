import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { httpBackend } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway, type GatewaySettings } from '../helpers/gateway.js'

const SIZE = 1_500_000
const CLIENTS = 24

/** A body of which no two parts are alike, and no two numbers have a part in common. */
function bodyOf (number: number): Buffer {
  const body = Buffer.alloc(SIZE)
  for (let index = 0; index < SIZE; index += 4) body.writeUInt32BE(number * SIZE + index, index)
  return body
}

/** Responses /<number>, with its length or without, in writes of all sizes. */
async function startTarget (t: Test): Promise<string> {
  const { url } = await httpBackend(t, (request, response) => {
    const number = Number(/\d+/.exec(request.url!)![0])
    if (number % 2 === 0) response.setHeader('Content-Length', SIZE)
    const body = bodyOf(number)
    let at = 0
    const write = (): void => {
      while (at < SIZE) {
        const more = response.write(body.subarray(at, at += 1 + (at * 7 + number * 1009) % 150_000))
        if (!more) {
          response.once('drain', write)
          return
        }
      }
      response.end()
    }
    write()
  })
  return url
}

/** Reads a whole response up to the end of the connection, with a rest now and then so that the gateway has to wait. */
function readSlowly (socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (chunks.length % 5 !== 0) return
      socket.pause()
      let turns = 20
      const rest = (): void => { if (--turns === 0) socket.resume(); else setImmediate(rest) }
      rest()
    })
    socket.on('error', reject).on('end', () => {
      socket.end()
      resolve(Buffer.concat(chunks))
    })
  })
}

/** The body of a response whose connection has ended. */
function bodyIn (answer: Buffer): Buffer {
  const end = answer.indexOf('\r\n\r\n')
  const rest = answer.subarray(end + 4)
  if (!/transfer-encoding/i.test(answer.toString('latin1', 0, end))) return rest
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const line = rest.indexOf('\r\n', at)
    const size = Number.parseInt(rest.toString('latin1', at, line), 16)
    if (size === 0) return Buffer.concat(parts)
    parts.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}

async function everyByteArrives (t: Test, settings: Partial<GatewaySettings>, open: (port: number) => Socket, version = '1.1'): Promise<void> {
  const { port } = await startGateway(t, { targets: [await startTarget(t)], ...settings })
  const wrong = await Promise.all(Array.from({ length: CLIENTS }, async (_, number) => {
    const socket = open(port)
    t.teardown(() => { socket.destroy() })
    socket.write(`GET /${number} HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`)
    return bodyIn(await readSlowly(socket)).equals(bodyOf(number)) ? [] : [number]
  }))
  t.same(wrong.flat(), [])
}

// Responses are read into one buffer, and large chunks of them written from memory that is lent.
t.test('many slow readers at once get their own bytes', async t => {
  await everyByteArrives(t, {}, port => connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
})

t.test('so do those of HTTP/1.0', async t => {
  await everyByteArrives(t, {}, port => connect({ port, host: '127.0.0.1', allowHalfOpen: true }), '1.0')
})

t.test('and those over TLS', async t => {
  const { key, cert } = await selfSigned(t, 'DNS:localhost')
  await everyByteArrives(t, { fastify: { https: { key, cert } } as object }, port => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }))
})

t.test('and answers that wait for their turn', async t => {
  const { port } = await startGateway(t, { targets: [await startTarget(t)] })
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => { socket.destroy() })
  // With a length: the even ones.
  const numbers = [2, 4, 6, 8]
  socket.write(numbers.map(number => `GET /${number} HTTP/1.1\r\nHost: x\r\n${number === 8 ? 'Connection: close\r\n' : ''}\r\n`).join(''))
  let rest = await readSlowly(socket)
  for (const number of numbers) {
    const start = rest.indexOf('\r\n\r\n') + 4
    t.ok(rest.subarray(start, start + SIZE).equals(bodyOf(number)), `/${number}`)
    rest = rest.subarray(start + SIZE)
  }
  t.equal(rest.length, 0)
})
