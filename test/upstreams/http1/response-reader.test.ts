import t from 'tap'
import { ResponseReader, type ResponseParts } from '../../../src/upstreams/http1/response-reader.js'
import { cutsOf, however, pieces } from '../../helpers/pieces.js'
import { readResponse, type ResponseRead } from '../../helpers/read-response.js'

/** Bytes that the readers here take as a head. */
const MAX_HEAD = 16 * 1024

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const CODING = ['Transfer-Encoding', 'chunked']
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'

/** What the reader makes of a whole response, where nothing else is said. */
const PLAIN = { interim: [], body: '', at: 'its end', trailers: [], persistent: true, keepAlive: undefined }

interface Case { name: string, text: string, bodyless?: boolean, read: Omit<Partial<ResponseRead>, 'length'> }

const WHOLE: Case[] = [
  { name: 'a length', text: `${OK}Content-Length: 5\r\n\r\nhello`, read: { head: [200, 'OK', ['Content-Length', '5']], body: 'hello' } },
  { name: 'a length of nothing', text: `${OK}Content-Length: 0\r\n\r\n`, read: { head: [200, 'OK', ['Content-Length', '0']] } },
  { name: 'a body that looks like an end', text: `${OK}Content-Length: 8\r\n\r\n\r\n\r\n0\r\n\r`, read: { head: [200, 'OK', ['Content-Length', '8']], body: '\r\n\r\n0\r\n\r' } },
  { name: 'a body of any bytes', text: `${OK}Content-Length: 4\r\n\r\n\0\r\xff\n`, read: { head: [200, 'OK', ['Content-Length', '4']], body: '\0\r\xff\n' } },
  { name: 'headers as sent', text: 'HTTP/1.1 404 Nicht da: \xfc\r\nb: 1\r\nA:\t2 \r\nB:\r\nContent-LENGTH:0\r\n\r\n', read: { head: [404, 'Nicht da: \xfc', ['b', '1', 'A', '2', 'B', '', 'Content-LENGTH', '0']] } },
  { name: 'no reason phrase', text: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', read: { head: [200, '', ['Content-Length', '0']] } },
  { name: 'chunks', text: `${CHUNKED}5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n`, read: { head: [200, 'OK', CODING], body: 'hello!' } },
  { name: 'no chunks', text: `${CHUNKED}0\r\n\r\n`, read: { head: [200, 'OK', CODING] } },
  { name: 'chunks and trailers', text: `${CHUNKED}5\r\nhello\r\n0\r\nA: 1\r\nb:\r\nA: 2 \r\n\r\n`, read: { head: [200, 'OK', CODING], body: 'hello', trailers: ['A', '1', 'b', '', 'A', '2'] } },
  { name: 'HEAD', bodyless: true, text: `${OK}Content-Length: 5\r\n\r\n`, read: { head: [200, 'OK', ['Content-Length', '5']] } },
  { name: 'HEAD, of chunks', bodyless: true, text: CHUNKED, read: { head: [200, 'OK', CODING] } },
  { name: 'HEAD, of no known length', bodyless: true, text: `${OK}\r\n`, read: { head: [200, 'OK', []] } },
  { name: '204', text: 'HTTP/1.1 204 No Content\r\n\r\n', read: { head: [204, 'No Content', []] } },
  { name: '304 with the length of another', text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', read: { head: [304, 'Not Modified', ['Content-Length', '5']] } },
  { name: 'an interim response before', text: `${HINTS}${OK}Content-Length: 1\r\n\r\na`, read: { interim: [[103, 'Early Hints', ['Link', '</a>']]], head: [200, 'OK', ['Content-Length', '1']], body: 'a' } },
  {
    name: 'several interim responses before',
    text: `HTTP/1.1 100 Continue\r\n\r\n${HINTS}HTTP/1.1 199\r\nContent-Length: 5\r\n\r\n${CHUNKED}1\r\na\r\n0\r\n\r\n`,
    read: { interim: [[100, 'Continue', []], [103, 'Early Hints', ['Link', '</a>']], [199, '', ['Content-Length', '5']]], head: [200, 'OK', CODING], body: 'a' }
  },
  { name: 'an interim response to HEAD', bodyless: true, text: `${HINTS}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n`, read: { interim: [[103, 'Early Hints', ['Link', '</a>']]], head: [200, 'OK', ['Content-Length', '5']] } },
  { name: 'a connection that closes', text: `${OK}Connection: close\r\nContent-Length: 1\r\n\r\na`, read: { head: [200, 'OK', ['Connection', 'close', 'Content-Length', '1']], body: 'a', persistent: false } },
  { name: 'a connection that is kept', text: `${OK}Keep-Alive: timeout=7\r\nContent-Length: 1\r\n\r\na`, read: { head: [200, 'OK', ['Keep-Alive', 'timeout=7', 'Content-Length', '1']], body: 'a', keepAlive: 7 } },
  { name: 'HTTP/1.0', text: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na', read: { head: [200, 'OK', ['Content-Length', '1']], body: 'a', persistent: false } }
]

t.test('reads a response, however it is cut', async t => {
  for (const { name, text, bodyless, read } of WHOLE) {
    const bytes = Buffer.from(text, 'latin1')
    const expected = { ...PLAIN, ...read, length: text.length }
    t.same(however(cutsOf(bytes.length), cuts => readResponse(bytes, bodyless, cuts)), { read: expected, fault: undefined }, name)
  }
})

t.test('a 101 that was asked for, and what stands behind it, however it is cut', async t => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n'
  const bytes = Buffer.from(`${HINTS}${head}HTTP/1.1 200 OK\r\n\r\n`)
  const read = however(cutsOf(bytes.length), cuts => {
    const reader = new ResponseReader({ onInterim: () => {}, onHead: () => t.fail('no head'), onBody: () => t.fail('no body') })
    reader.begin(MAX_HEAD, false, true)
    let length = 0
    for (const piece of pieces(bytes, cuts)) {
      length += reader.read(piece)
      if (reader.over) break
    }
    return { length, switching: reader.switching, fault: reader.fault }
  })
  t.match(read, { length: HINTS.length + head.length, switching: { status: 101, message: 'Switching Protocols', headers: ['Upgrade', 'websocket', 'Content-Length', '5'] }, fault: undefined })
})

t.test('a 101 of HTTP/1.0, or one that nobody asked for, is a fault', async t => {
  for (const [version, upgrade] of [['1.0', true], ['1.1', false]] as const) {
    const reader = new ResponseReader({ onInterim: () => {}, onHead: () => {}, onBody: () => {} })
    reader.begin(MAX_HEAD, false, upgrade)
    reader.read(Buffer.from(`HTTP/${version} 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n`))
    t.match(reader, { switching: undefined, fault: 'it is a 101 that nobody asked for' })
  }
})

t.test('leaves what stands behind it', async t => {
  for (const { name, text, bodyless, read } of WHOLE) {
    const expected = { ...PLAIN, ...read, length: text.length }
    for (const rest of ['\r\n', '0\r\n\r\n', `${OK}Content-Length: 0\r\n\r\n`, '\0']) {
      const bytes = Buffer.from(text + rest, 'latin1')
      t.same(however(cutsOf(bytes.length), cuts => readResponse(bytes, bodyless, cuts)), { read: expected, fault: undefined }, name)
    }
  }
})

t.test('is not over before its last byte', async t => {
  for (const { name, text, bodyless, read } of WHOLE) {
    const early = Array.from({ length: text.length }, (_, length) => readResponse(Buffer.from(text.slice(0, length), 'latin1'), bodyless))
    t.strictSame(early.filter(({ read: { at, body }, fault }) => !/^a (?:head|body)$/.test(at) || fault !== undefined || !(read.body ?? '').startsWith(body)).slice(0, 1), [], name)
  }
})

const UNTIL_END: Case[] = [
  { name: 'a body', text: `${OK}\r\nhello\r\n\r\n`, read: { head: [200, 'OK', []], body: 'hello\r\n\r\n' } },
  { name: 'no body yet', text: `${OK}\r\n`, read: { head: [200, 'OK', []] } },
  { name: 'HTTP/1.0', text: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello', read: { head: [200, 'OK', ['Connection', 'keep-alive']], body: 'hello' } },
  { name: 'an interim response before', text: `${HINTS}${OK}\r\nHTTP/1.1 204\r\n\r\n`, read: { interim: [[103, 'Early Hints', ['Link', '</a>']]], head: [200, 'OK', []], body: 'HTTP/1.1 204\r\n\r\n' } }
]

t.test('without a length, a response ends with its connection', async t => {
  for (const { name, text, read } of UNTIL_END) {
    const expected: ResponseRead = { interim: [], head: undefined, body: '', persistent: false, keepAlive: undefined, ...read, at: 'the end of the connection' }
    t.same(however(cutsOf(text.length), cuts => readResponse(Buffer.from(text), false, cuts)), { read: expected, fault: undefined }, name)
  }
})

/** Each with what has been read before the fault, and what is wrong if it comes at once. */
const FAULTS: Array<[fault: RegExp, text: string, read?: Partial<ResponseRead>, bodyless?: boolean]> = [
  [/head/, '\r\n\r\n'],
  [/head/, `\r\n${OK}\r\n`],
  [/head/, 'SSH-2.0-x\r\n\r\n'],
  [/head/, 'HTTP/1.1 20 OK\r\n\r\n'],
  [/head/, 'HTTP/2.0 200 OK\r\n\r\n'],
  [/head/, `${OK}A : b\r\n\r\n`],
  [/head/, `${OK}A: b\r\n c\r\n\r\n`],
  [/head/, `${OK}A: b\nB: c\r\n\r\n`],
  [/head/, `${OK}A: b\rB: c\r\n\r\n`],
  [/head/, `${OK}A: \0\r\n\r\n`],
  [/not HTTP/, 'SSH-2.0-x\r\n'],
  [/not HTTP/, '\x16\x03\x01'],
  [/101/, 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n'],
  [/101/, `${HINTS}HTTP/1.1 101\r\n\r\n`, { interim: [[103, 'Early Hints', ['Link', '</a>']]] }],
  [/head/, `${HINTS}\r\n${OK}\r\n`, { interim: [[103, 'Early Hints', ['Link', '</a>']]] }],
  [/Content-Length/, `${OK}Content-Length: 5, 5\r\n\r\nhello`],
  [/Content-Length/, `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  [/both/, `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  [/both/, `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, {}, true],
  [/Transfer-Encoding/, `${OK}Transfer-Encoding: gzip\r\n\r\n`],
  [/HTTP\/1\.0/, 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [/size/, `${CHUNKED}hello`, { head: [200, 'OK', CODING] }],
  [/size/, `${CHUNKED}1\r\na\r\n-1\r\n`, { head: [200, 'OK', CODING], body: 'a' }],
  [/longer/, `${CHUNKED}1\r\nab\r\n0\r\n\r\n`, { head: [200, 'OK', CODING], body: 'a' }],
  [/CR LF/, `${CHUNKED}1\r\na\r\n0\r\r\n\r\n`, { head: [200, 'OK', CODING], body: 'a' }],
  [/trailers/, `${CHUNKED}1\r\na\r\n0\r\nA\r\n\r\n`, { head: [200, 'OK', CODING], body: 'a' }],
  [/trailers/, `${CHUNKED}0\r\nA: b\r\n c\r\n\r\n`, { head: [200, 'OK', CODING] }],
  [/trailers/, `${CHUNKED}0\r\nA: b\nB: c\r\n\r\n`, { head: [200, 'OK', CODING] }],
  [/trailers/, `${CHUNKED}0\r\n${OK}\r\n`, { head: [200, 'OK', CODING] }]
]

t.test('refuses what is faulty, however it is cut', async t => {
  for (const [fault, text, read, bodyless] of FAULTS) {
    const bytes = Buffer.from(text, 'latin1')
    t.match(readResponse(bytes, bodyless).fault, fault, JSON.stringify(text))
    const expected = { interim: [], head: undefined, body: '', ...read, at: 'a fault' }
    t.same(however(cutsOf(bytes.length), cuts => readResponse(bytes, bodyless, cuts).read), expected, JSON.stringify(text))
  }
})

/** A reader, and the names and bytes of the parts that it has given. */
function reading (parts: Partial<ResponseParts> = {}): { reader: ResponseReader, given: string[] } {
  const given: string[] = []
  const reader = new ResponseReader({
    onInterim (head) { given.push(`interim ${head.status}`); parts.onInterim?.(head) },
    onHead (head) { given.push(`head ${head.status}`); parts.onHead?.(head) },
    onBody (chunk) { given.push(`body ${chunk.toString('latin1')}`); parts.onBody?.(chunk) }
  })
  return { reader, given }
}

t.test('reads nothing behind a fault', async t => {
  for (const [, text, , bodyless = false] of FAULTS) {
    const { reader, given } = reading()
    reader.begin(MAX_HEAD, bodyless)
    reader.read(Buffer.from(text, 'latin1'))
    const { fault } = reader
    const before = given.length
    for (const more of [`${OK}Content-Length: 1\r\n\r\na`, '1\r\na\r\n0\r\n\r\n', '\r\n\r\n']) reader.read(Buffer.from(more))
    t.same([given.length, reader.fault, reader.over], [before, fault, false], JSON.stringify(text))
  }
})

const LATER = '1\r\nb\r\nfaulty'
const ABANDONED: Array<[at: keyof ResponseParts, text: string, given: string[]]> = [
  ['onInterim', `${HINTS}${HINTS}${OK}Content-Length: 1\r\n\r\na`, ['interim 103']],
  ['onInterim', `${HINTS}faulty`, ['interim 103']],
  ['onHead', `${OK}Content-Length: 2\r\n\r\nab`, ['head 200']],
  ['onHead', `${OK}Content-Length: 0\r\n\r\n`, ['head 200']],
  ['onHead', `${OK}\r\nab`, ['head 200']],
  ['onHead', `${CHUNKED}1\r\na\r\n${LATER}`, ['head 200']],
  ['onHead', `${CHUNKED}faulty`, ['head 200']],
  ['onHead', `${HINTS}${CHUNKED}0\r\n\r\n`, ['interim 103', 'head 200']],
  ['onBody', `${OK}Content-Length: 1\r\n\r\na`, ['head 200', 'body a']],
  ['onBody', `${OK}\r\na`, ['head 200', 'body a']],
  ['onBody', `${CHUNKED}1\r\na\r\n${LATER}`, ['head 200', 'body a']],
  ['onBody', `${CHUNKED}1\r\na\r\n1\r\nb\r\n0\r\nA: b\r\n\r\n`, ['head 200', 'body a']],
  ['onBody', `${CHUNKED}1\r\na\r\n0\r\n\r\n`, ['head 200', 'body a']],
  ['onBody', `${CHUNKED}1\r\naa\r\n`, ['head 200', 'body a']]
]

t.test('abandoned in the midst of it, it gives nothing more', async t => {
  for (const [at, text, expected] of ABANDONED) {
    t.same(however(cutsOf(text.length), cuts => {
      const { reader, given } = reading({ [at]: () => { reader.abandon() } })
      reader.begin(MAX_HEAD, false)
      for (const piece of pieces(Buffer.from(text), cuts)) reader.read(piece)
      return [given, reader.over, reader.fault, reader.trailers]
    }), [expected, true, undefined, []], `${at} of ${JSON.stringify(text)}`)
  }
})

t.test('reads one response after another', async t => {
  const { reader, given } = reading()
  for (const { name, text, bodyless = false, read } of [...WHOLE, ...WHOLE]) {
    given.length = 0
    reader.begin(MAX_HEAD, bodyless)
    t.same([reader.over, reader.inHead, reader.begun, reader.trailers], [false, true, false, []], name)
    for (const piece of pieces(Buffer.from(text, 'latin1'), [1, text.length - 1])) reader.read(piece)
    t.same([reader.over, reader.inHead, reader.begun, reader.fault], [true, false, true, undefined], name)
    t.same([reader.trailers, reader.persistent, reader.keepAlive], [read.trailers ?? [], read.persistent ?? true, read.keepAlive], name)
    t.equal(given.filter(part => part.startsWith('body')).map(part => part.slice(5)).join(''), read.body ?? '', name)
  }
})

t.test('reads the next response behind one that was abandoned', async t => {
  for (const before of ['HTTP/1.1 2', `${OK}Content-Length: 5\r\n\r\nhe`, `${CHUNKED}5\r\nhe`, `${CHUNKED}0\r\nA: b`]) {
    const { reader, given } = reading()
    reader.begin(MAX_HEAD, false)
    reader.read(Buffer.from(before))
    reader.abandon()
    t.equal(reader.read(Buffer.from('more')), 0, 'nothing of the rest belongs to it')
    given.length = 0
    reader.begin(MAX_HEAD, false)
    reader.read(Buffer.from(`${CHUNKED}1\r\na\r\n0\r\n\r\n`))
    t.same([given, reader.over, reader.fault, reader.trailers], [['head 200', 'body a'], true, undefined, []], JSON.stringify(before))
  }
})

t.test('tells where it stands', async t => {
  const { reader } = reading()
  const steps: Array<[bytes: string, begun: boolean, inHead: boolean, endsWithConnection: boolean]> = [
    ['H', true, true, false],
    ['TTP/1.1 103\r\n\r\n', true, true, false],
    [`${OK}`, true, true, false],
    ['\r\n', true, false, true],
    ['a', true, false, true]
  ]
  t.ok(reader.over, 'it awaits nothing yet')
  reader.begin(MAX_HEAD, false)
  t.same([reader.begun, reader.inHead, reader.endsWithConnection], [false, true, false])
  for (const [bytes, begun, inHead, endsWithConnection] of steps) {
    reader.read(Buffer.from(bytes))
    t.same([reader.begun, reader.inHead, reader.endsWithConnection, reader.over], [begun, inHead, endsWithConnection, false], JSON.stringify(bytes))
  }
})

t.test('knows the framing by the time that it gives the head', async t => {
  let known: unknown
  const { reader } = reading({ onHead: () => { known = [reader.persistent, reader.keepAlive, reader.inHead] } })
  reader.begin(MAX_HEAD, false)
  reader.read(Buffer.from(`${OK}Connection: close\r\nKeep-Alive: timeout=3\r\nContent-Length: 1\r\n\r\na`))
  t.same(known, [false, 3, false])
})

t.test('gives the body in parts of the bytes, without copies', async t => {
  for (const head of [`${OK}Content-Length: 3\r\n\r\n`, `${OK}\r\n`, `${CHUNKED}3\r\n`]) {
    const bytes = Buffer.from(`${head}abc`)
    let given: Buffer | undefined
    const { reader } = reading({ onBody: chunk => { given = chunk } })
    reader.begin(MAX_HEAD, false)
    reader.read(bytes)
    t.equal(given?.buffer, bytes.buffer)
    t.equal(given?.byteOffset, bytes.byteOffset + head.length)
    const rest = Buffer.from('d')
    reader.read(rest)
    if (reader.endsWithConnection) t.equal(given, rest, 'not even the view is another')
  }
})

/** Cuts about the end of a head, or of trailers, that ends at a place; those within are the ones that matter. */
const cutsAbout = (place: number): number[][] => [[], ...Array.from({ length: 10 }, (_, index) => [place - 5 + index]), [place - 3, place - 2, place - 1], [1, 5_000, place - 1]]

/** A line for so many bytes. */
const line = (length: number) => `A: ${'x'.repeat(length - 'A: '.length)}`

t.test('a head has a limit', async t => {
  const longest = `${OK}Content-Length: 0\r\n${line(MAX_HEAD - `${OK}Content-Length: 0\r\n`.length)}`
  t.equal(longest.length, MAX_HEAD)
  for (const [before, interim] of [['', 0], [HINTS, 1], [longest.replace('200', '103') + '\r\n\r\n', 1]] as const) {
    const length = before.length + MAX_HEAD + 4
    t.same(however(cutsAbout(length), cuts => {
      const { read, fault } = readResponse(Buffer.from(`${before}${longest}\r\n\r\n`), false, cuts)
      return [read.at, read.length, fault, read.interim.length]
    }), ['its end', length, undefined, interim])
    t.same(however(cutsAbout(length), cuts => {
      const { read, fault } = readResponse(Buffer.from(`${before}${longest}x\r\n\r\n`), false, cuts)
      return [read.head, fault]
    }), [undefined, 'its head or its trailers are longer than maxHeaderSize of the upstream, 16384 bytes'])
  }
})

t.test('one that does not end is refused as soon as it is too long', async t => {
  const { reader } = reading()
  reader.begin(MAX_HEAD, false)
  let length = 0
  for (const piece of pieces(Buffer.from(OK + 'A: b\r\n'.repeat(10_000)), Array.from({ length: 30_000 }, (_, index) => index + 1))) {
    reader.read(piece)
    length++
    if (reader.fault !== undefined) break
  }
  t.match(reader.fault, /longer than maxHeaderSize/)
  t.equal(length, MAX_HEAD + '\r\n\r\n'.length)
})

t.test('trailers have a limit', async t => {
  // What comes before them counts along: the line end of the last chunk.
  const before = `${CHUNKED}1\r\na\r\n0\r\n`
  const longest = line(MAX_HEAD - 2)
  const length = before.length + longest.length + 4
  t.same(however(cutsAbout(length), cuts => {
    const { read, fault } = readResponse(Buffer.from(`${before}${longest}\r\n\r\n`), false, cuts)
    return [read.at, read.length, fault, read.trailers?.length]
  }), ['its end', length, undefined, 2])
  t.same(however(cutsAbout(length), cuts => {
    const { read, fault } = readResponse(Buffer.from(`${before}${longest}x\r\n\r\n`), false, cuts)
    return [read.body, fault]
  }), ['a', 'its head or its trailers are longer than maxHeaderSize of the upstream, 16384 bytes'])
})

t.test('a body has none', async t => {
  const body = 'x'.repeat(300_000)
  for (const text of [`${OK}Content-Length: 300000\r\n\r\n${body}`, `${OK}\r\n${body}`, `${CHUNKED}493e0\r\n${body}\r\n0\r\n\r\n`]) {
    const cuts = Array.from({ length: 5 }, (_, index) => (index + 1) * 60_000)
    t.match(readResponse(Buffer.from(text), false, cuts), { read: { body }, fault: undefined })
  }
})

// Issue 8, item 22
t.test('interim responses have a limit in number, and in bytes', async t => {
  const final = `${OK}Content-Length: 1\r\n\r\na`
  const interim = (count: number, size: number) => `HTTP/1.1 103 \r\n${line(size - 'HTTP/1.1 103 \r\n'.length)}\r\n\r\n`.repeat(count)
  for (const [text, fault] of [
    ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(100), undefined],
    ['HTTP/1.1 102 Processing\r\n\r\n'.repeat(101), 'more than 100 interim responses came before it'],
    [interim(4, MAX_HEAD / 4), undefined],
    [interim(4, MAX_HEAD / 4 + 1), 'the interim responses before it are longer than maxHeaderSize of the upstream, 16384 bytes']
  ] as const) {
    for (const cuts of [[], [1, 20, 5_000], Array.from({ length: text.length }, (_, index) => index + 1)]) t.equal(readResponse(Buffer.from(text + final), false, cuts).fault, fault)
  }
  const { reader, given } = reading()
  for (let count = 0; count < 3; count++) {
    reader.begin(MAX_HEAD, false)
    reader.read(Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'.repeat(60) + final))
    t.ok(reader.over, 'each response has its own')
  }
  t.equal(given.length, 3 * 62)
})

t.test('whether a fault is that of a size', async t => {
  for (const [text, tooLarge] of [[`${OK}${line(MAX_HEAD)}\r\n\r\n`, true], [`${CHUNKED}0\r\n${line(MAX_HEAD)}\r\n\r\n`, true], [`${OK}A\r\n\r\n`, false]] as const) {
    const { reader } = reading()
    reader.begin(MAX_HEAD, false)
    reader.read(Buffer.from(text))
    t.equal(reader.tooLarge, tooLarge)
  }
})
