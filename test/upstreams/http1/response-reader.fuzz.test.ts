import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { HeaderList } from '../../../src/message/headers.js'
import { random, seeds, type Pick } from '../../helpers/random.js'
import { readResponse, type ResponseRead, type HeadRead } from '../../helpers/read-response.js'

/*
 * Responses, as they should be and damaged, read by our reader and by Node's own client. What ours takes for a
 * whole response, Node's does too, and both read the same out of it, up to the same byte. Ours may refuse more; what
 * it takes and Node's refuses is named below. And it is all the same how the bytes are cut.
 *
 * FUZZ_SEED=<n> repeats one case; COUNT=<n> runs so many.
 */

// ---- Random answers

const oneOf = <Item>(pick: Pick, items: readonly Item[]): Item => items[pick(items.length)]!
const some = (pick: Pick, most: number, make: () => string): string => Array.from({ length: pick(most + 1) }, make).join('')

const FIELDS = [
  'A: 1', 'a:2', 'B:', 'X-C: \t d e \t ', 'Link: </a>; rel=preload', 'Set-Cookie: a=b', 'Set-Cookie: c', 'D: "\xe9\xff"', 'Connection: close', 'Connection: keep-alive, A', 'Keep-Alive: timeout=5',
  'Proxy-Connection: close', 'Upgrade: h2c', 'Connection: upgrade', 'Trailer: A', 'TE: x', 'Content-Type: a', '__proto__: x', 'Content-Lengths: 1', 'Transfer-Encodin: x'
]
const BYTES = ['a', 'b', '\r', '\n', '\r\n', '\r\n\r\n', '0\r\n', '\0', '\xff', 'HTTP/1.1 200 OK\r\n\r\n']
const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="b; c"', ';a;b=c']

const fields = (pick: Pick, most: number): string => some(pick, most, () => `${oneOf(pick, FIELDS)}\r\n`)
const anyCase = (pick: Pick, text: string): string => oneOf(pick, [text, text, text.toLowerCase(), text.toUpperCase()])
const reason = (pick: Pick): string => oneOf(pick, [' OK', ' OK', ' ', '', ' Not  Found ', ' \xfc'])

function chunk (pick: Pick): string {
  const data = some(pick, 4, () => oneOf(pick, BYTES)) + 'x'.repeat(pick(2) * pick(40)) || 'y'
  const size = anyCase(pick, data.length.toString(16).padStart(pick(4), '0'))
  return `${size}${oneOf(pick, EXTENSIONS)}\r\n${data}\r\n`
}

interface Sent { text: string, bodyless: boolean }

function validResponse (pick: Pick): Sent {
  const interim = pick(4) === 0 ? some(pick, 2, () => `HTTP/1.1 ${oneOf(pick, [100, 102, 103, 199])}${reason(pick)}\r\n${fields(pick, 2)}\r\n`) : ''
  const bodyless = pick(6) === 0
  const status = oneOf(pick, [200, 200, 200, 200, 404, 500, 204, 304, 205])
  const framing = oneOf(pick, ['length', 'length', 'chunks', 'chunks', 'chunks', 'end'])
  const data = some(pick, 5, () => oneOf(pick, BYTES))
  const version = framing !== 'chunks' && pick(5) === 0 ? '1.0' : '1.1'
  const field = { length: `${anyCase(pick, 'Content-Length')}: ${'0'.repeat(pick(2))}${data.length}\r\n`, chunks: `${anyCase(pick, 'Transfer-Encoding')}: ${anyCase(pick, 'chunked')}\r\n`, end: '' }[framing]
  const head = `HTTP/${version} ${status}${reason(pick)}\r\n${fields(pick, 2)}${field}${fields(pick, 2)}\r\n`
  const body = bodyless || status === 204 || status === 304 ? '' : framing === 'chunks' ? `${some(pick, 3, () => chunk(pick))}0${oneOf(pick, EXTENSIONS)}\r\n${fields(pick, 2)}\r\n` : data
  const rest = framing === 'end' ? '' : oneOf(pick, ['', '', '', '\r\n', 'x', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'])
  return { text: interim + head + body + rest, bodyless }
}

const PATCHES = [
  '', '\r', '\n', '\r\n', '\r\n\r\n', '\n\n', '\r\r\n', ' ', '  ', '\t', ':', ';', ',', '=', '"', '\\', '0', '1', '5', '+', '-', '0x', 'a', 'g', '\0', '\x0b', '\x7f', '\x80', '\xa0', '\xff',
  '\r\n ', '\r\n\t', '0\r\n', '0\r\n\r\n', '5\r\n', ' \r\n', '\t\r\n', ';a b', ';a="\r\n"', 'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'content-length:x\r\n', 'Content-Length : 5\r\n', '5, 5', ', 5',
  'Transfer-Encoding: chunked\r\n', 'transfer-encoding: identity\r\n', 'Transfer-Encoding:\r\n', 'gzip, ', ', chunked', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103\r\nContent-Length: 5\r\n\r\n', 'HTTP/1.1 ', 'HTTP/1.0 ', '204', '304', '101',
  'Connection: close\r\n', 'A: b\r\n', 'A\r\n', ': b\r\n', 'A b: c\r\n'
]

/** Somewhere, and mostly where it matters. */
function place (pick: Pick, text: string): number {
  const marks = [...text.matchAll(/[\r\n:; ]|\d+/g)]
  if (pick(4) === 0 || marks.length === 0) return pick(text.length + 1)
  const { index, 0: mark } = oneOf(pick, marks)
  return index + oneOf(pick, [0, mark.length])
}

function damaged (pick: Pick, text: string): string {
  const at = place(pick, text)
  const end = Math.min(text.length, at + 1 + oneOf(pick, [0, 0, 0, 1, pick(20)]))
  const before = text.slice(0, at)
  switch (pick(8)) {
    case 0: return before + text.slice(end)
    case 1: return text.slice(0, end) + text.slice(at)
    case 2: return before + String.fromCharCode(pick(256)) + text.slice(at + 1)
    case 3: return before + oneOf(pick, PATCHES) + text.slice(end)
    case 4: return pick(4) === 0 ? before : text
    default: return before + oneOf(pick, PATCHES) + text.slice(at)
  }
}

function responseOf (seed: number): Sent & { valid: boolean, pick: Pick } {
  const pick = random(seed)
  let { text, bodyless } = validResponse(pick)
  const damages = oneOf(pick, [0, 1, 1, 1, 2, 3])
  for (let count = damages; count > 0; count--) text = damaged(pick, text)
  return { text, bodyless, valid: damages === 0, pick }
}

// ---- Node's client

/** The public events and fields of Node's client, for what `ResponseRead` has. */
interface ReadByNode {
  interim: HeadRead[]
  head: HeadRead | undefined
  body: string
  trailers: HeaderList
  /** It has not ended before the last byte, or the end of the connection; and then it has. */
  endsThere: boolean
  error: (Error & { code?: string }) | undefined
}

async function readByNode (bytes: Buffer, bodyless: boolean, endsWithConnection: boolean): Promise<ReadByNode> {
  const read: ReadByNode = { interim: [], head: undefined, body: '', trailers: [], endsThere: false, error: undefined }
  const socket = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  let answer: IncomingMessage | undefined
  const sent = request({ method: bodyless ? 'HEAD' : 'GET', createConnection: () => socket, insecureHTTPParser: false })
  sent.on('information', ({ statusCode, statusMessage, rawHeaders }) => { read.interim.push([statusCode, statusMessage, rawHeaders]) })
  sent.on('upgrade', () => { read.error ??= new Error('an upgrade') })
  sent.on('error', error => { read.error ??= error })
  sent.on('response', response => {
    answer = response.on('error', error => { read.error ??= error })
    read.head = [response.statusCode!, response.statusMessage!, response.rawHeaders]
  })
  sent.end()
  await once(sent, 'socket')
  // By then it reads, and is called as soon as there are bytes.
  await new Promise(resolve => { process.nextTick(resolve) })
  const last = endsWithConnection ? bytes.length : bytes.length - 1
  socket.push(bytes.subarray(0, last))
  const early = answer?.complete
  socket.push(endsWithConnection ? null : bytes.subarray(last))
  if (endsWithConnection && read.error === undefined) await once(socket, 'end')
  read.endsThere = early !== true && answer?.complete === true
  for (let chunk; (chunk = answer?.read() as Buffer | null | undefined) != null;) read.body += chunk.toString('latin1')
  read.trailers = answer?.rawTrailers ?? []
  socket.destroy()
  return read
}

// ---- What both make of a response

/** What Node refuses and our reader takes: it changes neither what a response says nor where it ends. */
function mayRefuse ({ error }: ReadByNode, { interim, trailers = [] }: ResponseRead): boolean {
  const of = (headers: HeaderList, names: string[]): boolean => headers.some((name, index) => index % 2 === 0 && names.includes(name.toLowerCase()))
  switch (error?.code) {
    // An interim response that says that the connection will be closed is not the last one.
    case 'HPE_CLOSED_CONNECTION':
      return interim.some(([, , headers]) => of(headers, ['connection', 'proxy-connection']))
    // A length in an interim response, or behind the body, frames nothing, and does not go on.
    case 'HPE_INVALID_CONTENT_LENGTH':
    case 'HPE_UNEXPECTED_CONTENT_LENGTH':
    case 'HPE_INVALID_TRANSFER_ENCODING':
      return of([...interim.flatMap(([, , headers]) => headers), ...trailers], ['content-length', 'transfer-encoding'])
  }
  return false
}

async function difference (text: string, bodyless: boolean, ours: ResponseRead): Promise<string | undefined> {
  const endsWithConnection = ours.at === 'the end of the connection'
  const bytes = Buffer.from(text.slice(0, ours.length), 'latin1')
  const node = await readByNode(bytes, bodyless, endsWithConnection)
  if (node.error !== undefined && mayRefuse(node, ours)) return undefined
  const { interim, head, body, trailers = [] } = ours
  const expected = { interim, head, body, trailers, endsThere: true, error: undefined }
  return isDeepStrictEqual(node, expected) ? undefined : `ours: ${JSON.stringify(expected)}; Node's: ${JSON.stringify({ ...node, error: node.error?.message })}`
}

/** Space that Node 20 does not know behind these values: it refuses the length, and does not see the chunks. */
const TAB_BEHIND = /^(?:content-length|transfer-encoding):.*\t *\r$/im

const COUNT = Number(process.env['COUNT'] ?? 3_000)

t.test('what it takes for a response, Node does too', async t => {
  const failures: string[] = []
  let taken = 0
  let refused = 0
  for (const seed of seeds(COUNT)) {
    const { text, bodyless, valid, pick } = responseOf(seed)
    const bytes = Buffer.from(text, 'latin1')
    const { read, fault } = readResponse(bytes, bodyless)
    const fail = (what: string) => { failures.push(`FUZZ_SEED=${seed}: ${bodyless ? 'to HEAD, ' : ''}${JSON.stringify(text)}: ${what}`) }
    const every = Array.from({ length: bytes.length }, (_, index) => index)
    for (const cuts of [every.slice(1), every.filter(place => place > 0 && pick(20) === 0)]) {
      const cut = readResponse(bytes, bodyless, cuts).read
      if (!isDeepStrictEqual(cut, read)) fail(`whole, it is ${JSON.stringify(read)}; cut at ${String(cuts)}, ${JSON.stringify(cut)}`)
    }
    if (read.at === 'its end' || read.at === 'the end of the connection') {
      taken++
      const found = TAB_BEHIND.test(text) ? undefined : await difference(text, bodyless, read)
      if (found !== undefined) fail(found)
    } else {
      refused++
      if (valid) fail(`it is refused: ${fault}`)
    }
    // One rule that is broken breaks hundreds of cases.
    if (failures.length > 0) break
  }
  t.same(failures, [], 'repeat a failure with its FUZZ_SEED')
  t.comment(`${taken} taken, ${refused} refused or not whole`)
  if (process.env['FUZZ_SEED'] === undefined) t.ok(taken > COUNT / 5 && refused > COUNT / 5)
})
