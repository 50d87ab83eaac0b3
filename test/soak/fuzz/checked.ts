import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Pick } from '../../helpers/random.js'
import { frame } from '../../helpers/wire.js'
import { sendAll } from './pieces.js'
import { chance, garbage, one, size } from './random-bytes.js'
import { checkedRequest, handshakeBytes, pathTo, responsesIn, type CheckedRequest } from './request-bytes.js'
import { names, OWN } from './routes.js'

/*
 * Clients that do nothing wrong, and whose targets do not either: every response is known. Each gives what was
 * wrong, if anything.
 */

/** How long such a client waits, beside the others. */
const LIMIT = 30_000

/** Requests that do not wait for one another, on one connection. */
export async function checkedExchange (pick: Pick, socket: Socket, token: () => string): Promise<string | undefined> {
  const requests = Array.from({ length: 1 + pick(4) }, () => checkedRequest(pick, token()))
  const methods = requests.map(({ method }) => method)
  const received = receiving(socket)
  sendAll(pick, socket, Buffer.concat(requests.map(({ bytes }) => bytes))).catch(() => {})
  await received.until(bytes => responsesIn(bytes, methods).responses.length === requests.length)
  const { responses, rest } = responsesIn(received.bytes(), methods)
  const wrong = requests.findIndex(({ method, expected }, index) => responses[index]?.status !== 200 || responses[index].body !== (method === 'HEAD' ? '' : expected))
  if (wrong >= 0) return `expected ${requests[wrong]!.expected}, got ${JSON.stringify(responses[wrong])} as number ${wrong} of ${requests.length} (${named(requests)}); ${received.state()}`
  if (rest.length > 0) return `got more than the responses: ${JSON.stringify(rest.toString('latin1').slice(0, 200))}`
}

const named = (requests: CheckedRequest[]): string => requests.map(({ bytes }) => bytes.toString('latin1', 0, bytes.indexOf('\r'))).join(', ')

/** A session with a target that echoes. */
export async function checkedSession (pick: Pick, socket: Socket, token: () => string): Promise<string | undefined> {
  const mark = token()
  const received = receiving(socket)
  const began = performance.now()
  const handshake = handshakeBytes(pick, 'pure', mark)
  await sendAll(pick, socket, handshake)
  await received.until(bytes => bytes.includes('\r\n\r\n'))
  const head = received.bytes().toString('latin1')
  if (!head.startsWith('HTTP/1.1 101 ')) return `the handshake got ${JSON.stringify(head.slice(0, 200))}; ${received.state()}`
  const sent: Buffer[] = []
  const echoed: Buffer[] = []
  for (let count = pick(6); count > 0; count--) {
    const message = Buffer.concat([Buffer.from(mark), garbage(pick, size(pick, 90_000))])
    echoed.push(frame(0x82, message))
    const places = Array.from({ length: pick(3) }, () => pick(message.length + 1)).sort((first, second) => first - second)
    for (const [index, place] of places.entries()) sent.push(frame(index === 0 ? 0x02 : 0x00, message.subarray(places[index - 1] ?? 0, place), { mask: true, key: garbage(pick, 4) }))
    sent.push(frame(places.length === 0 ? 0x82 : 0x80, message.subarray(places.at(-1) ?? 0), { mask: true, key: garbage(pick, 4) }))
  }
  const expected = Buffer.concat([...echoed, frame(0x88, Buffer.from([0x03, 0xe8]))])
  sent.push(frame(0x88, Buffer.from([0x03, 0xe8]), { mask: true, key: garbage(pick, 4) }))
  const begin = received.bytes().indexOf('\r\n\r\n') + 4
  sendAll(pick, socket, Buffer.concat(sent)).catch(() => {})
  await received.until(bytes => bytes.length >= begin + expected.length && withoutPings(bytes.subarray(begin)).length >= expected.length)
  const got = withoutPings(received.bytes().subarray(begin))
  if (!got.equals(expected)) return `${mark} (${handshake.toString('latin1', 0, handshake.indexOf('\r'))}): sent ${echoed.length} messages, got ${got.length} bytes, not ${expected.length}, which end in ${got.toString('hex', Math.max(0, got.length - 8))}, in ${Math.round(performance.now() - began)} ms; ${received.state()}`
}

/** The gateway may ping a client that waits: between two frames, which are not masked. */
function withoutPings (bytes: Buffer): Buffer {
  const kept: Buffer[] = []
  for (let begin = 0, end; begin < bytes.length; begin = end) {
    const length = bytes[begin + 1]! & 0x7f
    const head = length === 126 ? 4 : length === 127 ? 10 : 2
    if (bytes.length < begin + head) end = bytes.length
    else if (length === 127) end = begin + head + Number(bytes.readBigUInt64BE(begin + 2))
    else end = begin + head + (length === 126 ? bytes.readUInt16BE(begin + 2) : length)
    if (bytes[begin] !== 0x89) kept.push(bytes.subarray(begin, end))
  }
  return Buffer.concat(kept)
}

/** Requests over HTTP/2: for the app itself, and for a target, which is not passed on. */
export async function checkedStreams (pick: Pick, socket: Socket, token: () => string): Promise<string | undefined> {
  const session = connectHttp2('http://a', { createConnection: () => socket })
  session.on('error', () => {})
  try {
    const faults = await Promise.all(Array.from({ length: 1 + pick(5) }, async () => {
      const mark = token()
      const own = chance(pick, 60)
      const body = chance(pick, 50) ? garbage(pick, 1 + size(pick, 1000)) : undefined
      const stream = session.request({ ':method': body === undefined ? 'GET' : 'POST', ':path': own ? `${OWN}${mark}` : pathTo(pick, 'pure', one(pick, names), mark), 'content-type': 'x/x' })
      let text = ''
      let status: unknown
      stream.setEncoding('latin1').on('data', chunk => { text += chunk }).on('response', headers => { status = headers[':status'] }).on('error', error => { text += error.message })
      stream.end(body)
      const ended = stream.closed || await Promise.race([once(stream, 'close').then(() => true), wait(LIMIT, false, { ref: false })])
      const right = own ? status === 200 && text === mark : status === 505 && text.includes('SLUICE_HTTP_VERSION')
      if (!right || !ended) return `${mark} got ${String(status)} ${JSON.stringify(text)} ${ended ? '' : 'and no end'}`
    }))
    return faults.find(fault => fault !== undefined)
  } finally {
    session.destroy()
  }
}

interface Receiving {
  bytes (): Buffer
  /** Resolves when this is so, or nothing more comes, or it takes too long. */
  until (condition: (bytes: Buffer) => boolean): Promise<void>
  state (): string
}

function receiving (socket: Socket): Receiving {
  let all = Buffer.alloc(0)
  let state = 'open'
  let check = (): void => {}
  socket.on('data', chunk => {
    all = Buffer.concat([all, chunk])
    check()
  })
  socket.on('end', () => { state = 'ended'; check() }).on('close', () => { state = 'closed'; check() })
  return {
    bytes: () => all,
    state: () => `the connection is ${state}, with ${all.length} bytes`,
    until: condition => new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        state += ', and silent for too long'
        resolve()
      }, LIMIT)
      check = () => {
        try {
          if (state === 'open' && !condition(all)) return
          resolve()
        } catch (error) {
          reject(error)
        }
        clearTimeout(timer)
      }
      check()
    })
  }
}
