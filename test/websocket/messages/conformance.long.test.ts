import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { startGateway } from '../../helpers/gateway.js'
import { handshake } from '../../helpers/raw-client.js'
import { closing, masked, Wire } from '../../helpers/wire.js'

/*
 * The cases of the Autobahn test suite, groups 1 to 7, 9, 10, 12 and 13, as they are described in its documentation: what a
 * client sees of an echo server of ws, directly and through a route whose hooks change nothing. The same, but for this: where
 * a client breaks the protocol, the gateway says so itself, with the same code and with a reason, and does not wait for what
 * the target may still send.
 */

t.setTimeout(240_000)

interface Case { name: string, frames: Buffer[], fails?: boolean }

const TEXT = 0x81
const BINARY = 0x82
const bytes = (...values: number[]): Buffer => Buffer.from(values)
const CLOSE = masked(0x88, closing(1000))
const cases: Case[] = []
/** A case that goes well ends with a Close of the client's. */
const good = (name: string, ...frames: Buffer[]): void => { cases.push({ name, frames: [...frames, CLOSE] }) }
const bad = (name: string, ...frames: Buffer[]): void => { cases.push({ name, frames: [...frames, CLOSE], fails: true }) }
const last = (name: string, ...frames: Buffer[]): void => { cases.push({ name, frames }) }

// 1: framing
for (const size of [0, 1, 125, 126, 127, 128, 65_535, 65_536]) {
  good(`1.1 text of ${size}`, masked(TEXT, '*'.repeat(size)))
  good(`1.2 binary of ${size}`, masked(BINARY, Buffer.alloc(size, 0xfe)))
}
// 2: pings and pongs
for (const size of [0, 5, 125]) good(`2 ping of ${size}`, masked(0x89, Buffer.alloc(size, 0xff)))
bad('2.5 ping of 126', masked(0x89, Buffer.alloc(126)))
good('2.7 pong without a ping', masked(0x8a, ''), masked(0x8a, 'unsolicited'), masked(0x89, 'ping'))
good('2.10 ten pings', ...Array.from({ length: 10 }, (_, index) => masked(0x89, `payload-${index}`)))
// 3: reserved bits
for (const rsv of [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70]) {
  for (const opcode of [1, 2, 9, 8]) bad(`3 RSV ${rsv.toString(16)} of ${opcode}`, masked(TEXT, 'before'), masked(0x80 | rsv | opcode, opcode === 8 ? closing(1000) : 'x'), masked(0x89, ''))
}
// 4: opcodes
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) bad(`4 opcode ${opcode}`, masked(TEXT, 'before'), masked(0x80 | opcode, 'x'), masked(0x89, ''))
// 5: fragmentation
bad('5.1 ping in fragments', masked(0x09, 'a'), masked(0x80, 'b'))
bad('5.2 pong in fragments', masked(0x0a, 'a'), masked(0x80, 'b'))
good('5.3 text in two', masked(0x01, 'fragment1'), masked(0x80, 'fragment2'))
good('5.6 a ping between', masked(0x01, 'fragment1'), masked(0x89, 'ping'), masked(0x80, 'fragment2'))
bad('5.9 a continuation of nothing', masked(0x80, 'x'), masked(TEXT, 'hello'))
bad('5.12 the same, not final', masked(0x00, 'x'), masked(TEXT, 'hello'))
bad('5.15 a continuation behind a message', masked(0x01, 'a'), masked(0x80, 'b'), masked(0x00, 'c'), masked(TEXT, 'hello'))
bad('5.18 a message within a message', masked(0x01, 'a'), masked(TEXT, 'b'))
good('5.19 five fragments with pings', masked(0x01, '1'), masked(0x00, '2'), masked(0x89, 'ping 1'), masked(0x00, '3'), masked(0x00, '4'), masked(0x89, 'ping 2'), masked(0x80, '5'))
// 6: UTF-8
good('6.1 empty', masked(TEXT, ''), masked(0x01, ''), masked(0x00, ''), masked(0x80, ''), masked(0x01, ''), masked(0x00, 'middle'), masked(0x80, ''))
const KOSME = Buffer.from('κόσμε-µ@ßöäüàá-UTF-8!!')
good('6.2 valid, whole', masked(TEXT, KOSME))
good('6.2.3 valid, a byte at a time', ...[...KOSME].map((byte, index) => masked((index === KOSME.length - 1 ? 0x80 : 0) | (index === 0 ? 1 : 0), bytes(byte))))
bad('6.3 invalid, in fragments', ...[...bytes(0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xcf, 0x83, 0xce, 0xbc, 0xce, 0xb5, 0xed, 0xa0, 0x80, 0x65)].map((byte, index) => masked((index === 14 ? 0x80 : 0) | (index === 0 ? 1 : 0), bytes(byte))))
const VALID = [[0x24], [0xc2, 0xa2], [0xe2, 0x82, 0xac], [0xf0, 0xa4, 0xad, 0xa2], [0], [0xc2, 0x80], [0xe0, 0xa0, 0x80], [0xf0, 0x90, 0x80, 0x80], [0x7f], [0xdf, 0xbf], [0xef, 0xbf, 0xbf], [0xf4, 0x8f, 0xbf, 0xbf], [0xed, 0x9f, 0xbf], [0xee, 0x80, 0x80], [0xef, 0xbf, 0xbd], [0xef, 0xbf, 0xbe], [0xf0, 0x9f, 0xbf, 0xbe], [0xf0, 0xaf, 0xbf, 0xbf], [0xf1, 0x8f, 0xbf, 0xbe], [0xf3, 0xbf, 0xbf, 0xbf], [0xef, 0xbb, 0xbf, 0x41]]
const INVALID = [[0xce], [0xce, 0xba, 0xe1], [0xce, 0xba, 0xe1, 0xbd], [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80], [0xf7, 0xbf, 0xbf, 0xbf], [0xfb, 0xbf, 0xbf, 0xbf, 0xbf], [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf], [0x80], [0xbf], [0x80, 0xbf], [0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf], [0xc0, 0x20, 0xc1, 0x20], [0xe0, 0x20], [0xf0, 0x20], [0xf8, 0x20], [0xfc, 0x20], [0xc0], [0xe0, 0x80], [0xf0, 0x80, 0x80], [0xf8, 0x80, 0x80, 0x80], [0xdf], [0xef, 0xbf], [0xf7, 0xbf, 0xbf], [0xfe], [0xff], [0xfe, 0xfe, 0xff, 0xff], [0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xf0, 0x80, 0x80, 0xaf], [0xc1, 0xbf], [0xe0, 0x9f, 0xbf], [0xf0, 0x8f, 0xbf, 0xbf], [0xc0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xed, 0xad, 0xbf], [0xed, 0xae, 0x80], [0xed, 0xaf, 0xbf], [0xed, 0xb0, 0x80], [0xed, 0xbe, 0x80], [0xed, 0xbf, 0xbf], [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80], [0xed, 0xaf, 0xbf, 0xed, 0xbf, 0xbf]]
for (const sequence of VALID) good(`6 valid ${Buffer.from(sequence).toString('hex')}`, masked(TEXT, Buffer.from(sequence)))
for (const sequence of INVALID) bad(`6 invalid ${Buffer.from(sequence).toString('hex')}`, masked(TEXT, Buffer.from(sequence)))
// 7: closing
good('7.1.1 a message, and a Close', masked(TEXT, 'Hello World!'))
last('7.1.2 two Closes', CLOSE, CLOSE)
last('7.1.3 a ping behind a Close', CLOSE, masked(0x89, ''))
last('7.1.4 text behind a Close', CLOSE, masked(TEXT, 'behind'))
last('7.1.5 a Close within a message', masked(0x01, 'fragment1'), CLOSE, masked(0x80, 'fragment2'))
last('7.3.1 no code', masked(0x88, ''))
cases.push({ name: '7.3.2 half a code', frames: [masked(0x88, 'a')], fails: true })
last('7.3.4 a reason', masked(0x88, closing(1000, 'Hello World!')))
last('7.3.5 a reason of 123 bytes', masked(0x88, closing(1000, '*'.repeat(123))))
cases.push({ name: '7.3.6 a reason of 124 bytes', frames: [masked(0x88, closing(1000, '*'.repeat(124)))], fails: true })
last('7.5.1 a reason that is not UTF-8', masked(0x88, Buffer.concat([closing(1000), bytes(0xce, 0xba, 0xed, 0xa0, 0x80)])))
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) last(`7.7 code ${code}`, masked(0x88, closing(code)))
for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) last(`7.9 code ${code}`, masked(0x88, closing(code)))
// 9 and 10: large messages, whole and in fragments
for (const size of [64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024]) {
  good(`9 binary of ${size}`, masked(BINARY, Buffer.alloc(size, 1)))
  const part = size / 64
  good(`9 text of ${size} in fragments`, ...Array.from({ length: 64 }, (_, index) => masked((index === 63 ? 0x80 : 0) | (index === 0 ? 1 : 0), '*'.repeat(part))))
}
good('10.1 65,536 bytes in fragments of 1,300', ...Array.from({ length: 51 }, (_, index) => masked((index === 50 ? 0x80 : 0) | (index === 0 ? 1 : 0), '*'.repeat(index === 50 ? 536 : 1300))))

/** What a client sees. */
interface Seen { frames: string[], code: number | undefined }

async function see (t: Test, port: number, { frames }: Case, { step, headers = {} }: { step: number, headers?: Record<string, string> }): Promise<Seen> {
  const client = await Wire.connect(t, port)
  client.write(handshake({ headers }))
  await client.head()
  const all = Buffer.concat(frames)
  if (step === Infinity) client.write(all)
  else for (let at = 0; at < all.length; at += step) { client.write(all.subarray(at, at + step)); if (at < 200) await new Promise(resolve => setImmediate(resolve)) }
  const seen: Seen = { frames: [], code: undefined }
  for (;;) {
    const next = await client.frame().catch(() => undefined)
    if (next === undefined) break
    const { first, payload } = next
    if ((first & 15) === 8) {
      seen.code = payload.length >= 2 ? payload.readUInt16BE() : 1005
      break
    }
    seen.frames.push(`${first.toString(16)} ${payload.length} ${payload.toString('hex', 0, 40)}`)
  }
  client.end()
  await client.over()
  return seen
}

async function echo (t: Test, perMessageDeflate: boolean | object): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate, maxPayload: 0 })
  await once(server, 'listening')
  server.on('connection', socket => { socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) }).on('error', () => {}) })
  t.teardown(() => { for (const client of server.clients) client.terminate(); server.close() })
  return (server.address() as AddressInfo).port
}

const HOOKS = { fromClient () {}, fromTarget: async () => {}, maxSize: 16 * 1024 * 1024 }

async function through (t: Test, port: number): Promise<number> {
  const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${port}`], route: { websocket: { closeTimeout: 2000, messages: HOOKS } }, fastify: { logger: false } })
  return gateway.port
}

for (const [name, step, headers] of [
  ['whole', Infinity, {}],
  ['a byte at a time', 1, {}],
  ['where compression is agreed on', Infinity, { 'Sec-WebSocket-Extensions': 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' }]
] as const) {
  t.test(`groups 1 to 7, 9 and 10, ${name}`, async t => {
    const direct = await echo(t, step === Infinity && 'Sec-WebSocket-Extensions' in headers ? { threshold: 1e9 } : false)
    const gateway = await through(t, direct)
    const failures: unknown[] = []
    for (const one of cases) {
      if (step === 1 && Buffer.concat(one.frames).length > 3000) continue
      const expected = await see(t, direct, one, { step, headers })
      const got = await see(t, gateway, one, { step, headers })
      const isSame = one.fails === true
        ? got.frames.every((text, index) => text === expected.frames[index])
        : got.frames.join() === expected.frames.join()
      if (!isSame || got.code !== expected.code) failures.push({ name: one.name, expected, got })
    }
    t.same(failures, [])
    t.ok(cases.length > 180, `${cases.length} cases`)
  })
}

t.test('groups 12 and 13: sizes, windows and takeover of compression', async t => {
  const word = 'The quick brown fox jumps over the lazy dog. '
  const offers: Array<[string, ClientOptions['perMessageDeflate'], object]> = [
    ['no parameters', {}, {}],
    ['no context takeover', { serverNoContextTakeover: true, clientNoContextTakeover: true }, {}],
    ['windows of 9', { serverMaxWindowBits: 9, clientMaxWindowBits: 9 }, { serverMaxWindowBits: 9, clientMaxWindowBits: 9 }],
    ['windows of 15', { serverMaxWindowBits: 15, clientMaxWindowBits: 15 }, { serverMaxWindowBits: 15, clientMaxWindowBits: 15 }],
    ['windows of 10 and no takeover', { serverMaxWindowBits: 10, clientNoContextTakeover: true }, { serverNoContextTakeover: true }]
  ]
  for (const [name, client, server] of offers) {
    const gateway = await through(t, await echo(t, { threshold: 0, ...server }))
    const socket = new WebSocket(`ws://127.0.0.1:${gateway}/`, { perMessageDeflate: { threshold: 0, ...client as object } })
    await once(socket, 'open')
    t.equal(socket.extensions, 'permessage-deflate', name)
    const sent: Buffer[] = []
    for (const size of [0, 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072]) {
      for (let count = 0; count < 5; count++) sent.push(Buffer.from(word.repeat(Math.ceil(size / word.length)).slice(0, size)), Buffer.from(Array.from({ length: size }, (_, index) => (index * index * 31 + count) & 0xff)))
    }
    const got: Buffer[] = []
    const done = new Promise<void>(resolve => socket.on('message', (data: Buffer) => { got.push(data); if (got.length === sent.length) resolve() }))
    for (const [index, data] of sent.entries()) socket.send(data, { binary: index % 2 === 1 })
    await done
    t.ok(got.every((data, index) => data.equals(sent[index]!)), `${name}: ${got.length} messages`)
    socket.close()
    await once(socket, 'close')
  }
})

t.test('compressed messages in fragments, with control frames between, at every cut', async t => {
  const direct = await echo(t, { threshold: 1e9 })
  const gateway = await through(t, direct)
  const payload = deflateRawSync('hello '.repeat(10), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' }
  for (let cut = 0; cut <= payload.length; cut++) {
    const one: Case = { name: String(cut), frames: [masked(0x41, payload.subarray(0, cut)), masked(0x89, 'ping'), masked(0x80, payload.subarray(cut)), CLOSE] }
    t.same(await see(t, gateway, one, { step: Infinity, headers }), await see(t, direct, one, { step: Infinity, headers }), `cut at ${cut}`)
  }
})
