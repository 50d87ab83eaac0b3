import t from 'tap'
import { framingOf, type Framing } from '../../../src/upstreams/http1/framing.js'
import type { HeaderList } from '../../../src/message/headers.js'

const framing = (headers: HeaderList, { version = '1.1' as '1.0' | '1.1', status = 200, bodyless = false } = {}) =>
  framingOf({ version, status, message: '', headers }, bodyless)

const LENGTH = ['Content-Length', '5']
const CHUNKED = ['Transfer-Encoding', 'chunked']

const BODIES: Array<[headers: HeaderList, body: Framing['body']]> = [
  [[], 'until end'],
  [LENGTH, 5],
  [['content-length', '0'], 0],
  [['CONTENT-LENGTH', '005'], 5],
  [['Content-Length', '999999999999999'], 999_999_999_999_999],
  [CHUNKED, 'chunked'],
  [['transfer-encoding', 'Chunked'], 'chunked'],
  // Names that are as long as those that count.
  [['Content-Lengths', '5', 'Content_Length', '5', 'Transfer_Encoding', 'chunked', 'Content-Lenght', '5'], 'until end']
]

t.test('how the end of a body is known', async t => {
  for (const [headers, body] of BODIES) {
    t.same(framing(headers), { body, persistent: body !== 'until end', bodyless: false, announcesBody: false, keepAlive: undefined, authenticates: false }, String(headers))
    t.same(framing(['A', 'b', ...headers, 'C', 'd']), framing(headers), 'wherever it is said')
  }
})

// Issue 8, item 20
t.test('a head that announces a body that must not come', async t => {
  for (const how of [{ status: 204 }, { status: 304 }, { bodyless: true }, { bodyless: true, status: 304 }]) {
    for (const headers of [LENGTH, CHUNKED]) t.match(framing(headers, how), { body: 0, announcesBody: true })
    t.match(framing(['Content-Length', '0'], how), { body: 0, persistent: true, announcesBody: false })
  }
  for (const how of [{ status: 204 }, { status: 304 }, { bodyless: true, status: 304 }]) t.match(framing([], how), { persistent: true, bodyless: true, announcesBody: false })
  t.match(framing([], { bodyless: true }), { body: 0, announcesBody: true }, 'to a GET, one without a length goes on to the end of the connection')
  for (const headers of [[], LENGTH, CHUNKED]) t.match(framing(headers), { announcesBody: false }, 'a body that may come')
})

// Issue 8, item 21
t.test('whether a target authenticates the connection', async t => {
  for (const value of ['NTLM', 'Negotiate', 'negotiate', 'NTLM TlRMTVNTUAACAAAA', 'Basic realm="a", NTLM', 'Basic realm="a",\tNegotiate abc']) t.match(framing([...LENGTH, 'WWW-Authenticate', value]), { authenticates: true }, value)
  t.match(framing([...LENGTH, 'WWW-Authenticate', 'Basic realm="a"', 'www-authenticate', 'ntlm']), { authenticates: true })
  for (const value of ['Basic realm="NTLM"', 'NTLMx', 'Bearer', '']) t.match(framing([...LENGTH, 'WWW-Authenticate', value]), { authenticates: false }, value)
})

t.test('a response to HEAD, a 204 and a 304 have no body', async t => {
  for (const how of [{ bodyless: true }, { status: 204 }, { status: 304 }, { status: 204, bodyless: true }]) {
    for (const headers of [[], LENGTH, CHUNKED]) t.match(framing(headers, how), { body: 0, keepAlive: undefined })
  }
  for (const how of [{ bodyless: true }, { status: 304 }]) t.match(framing(LENGTH, how), { persistent: true })
  for (const status of [200, 203, 205, 206, 303, 305, 404, 999]) t.match(framing(LENGTH, { status }), { body: 5 })
})

const FAULTS: Array<[fault: RegExp, headers: HeaderList]> = [
  [/more than one Content-Length/, [...LENGTH, ...LENGTH]],
  [/more than one Content-Length/, [...LENGTH, 'content-length', '6']],
  [/more than one Transfer-Encoding/, [...CHUNKED, ...CHUNKED]],
  [/both/, [...LENGTH, ...CHUNKED]],
  [/both/, [...CHUNKED, 'Content-Length', '0']],
  ...['', '+5', '-5', '5,5', '5, 5', '5 5', '5;', '0x5', '5.0', '5e1', 'a', '1000000000000000', '5\xa0', '\xb2'].map((value): [RegExp, HeaderList] => [/Content-Length is no number/, ['Content-Length', value]]),
  ...['', 'gzip', 'identity', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'chunked,', ',chunked', 'chunked;q=1', 'xchunked', 'chunked\xa0', '"chunked"'].map((value): [RegExp, HeaderList] => [/other than chunked/, ['Transfer-Encoding', value]])
]

t.test('refuses what is not quite clear', async t => {
  for (const [fault, headers] of FAULTS) {
    t.match(framing(headers), fault, String(headers))
    // Even where no body can follow: somebody else may see one.
    for (const how of [{ bodyless: true }, { status: 204 }, { status: 304 }]) t.match(framing(headers, how), fault)
  }
})

t.test('HTTP/1.0 has no codings', async t => {
  for (const headers of [CHUNKED, ['Transfer-Encoding', 'gzip'], [...LENGTH, ...CHUNKED]]) t.match(framing(headers, { version: '1.0' }), /Transfer-Encoding in HTTP\/1\.0/)
  t.match(framing(LENGTH, { version: '1.0' }), { body: 5 })
  t.match(framing([], { version: '1.0' }), { body: 'until end' })
})

const PERSISTENT: Array<[headers: HeaderList, persistent: boolean]> = [
  [[], true],
  [['Connection', 'keep-alive'], true],
  [['Connection', 'close'], false],
  [['connection', 'Close'], false],
  [['Connection', 'x, close , y'], false],
  [['Connection', 'x', 'Connection', 'close'], false],
  [['Connection', 'close', 'Connection', 'keep-alive'], false],
  [['Connection', 'closed'], true],
  [['Connection', ''], true],
  [['Connections', 'close'], true]
]

t.test('whether the connection may carry another request', async t => {
  for (const [headers, persistent] of PERSISTENT) {
    t.match(framing([...LENGTH, ...headers]), { body: 5, persistent }, String(headers))
    t.match(framing([...CHUNKED, ...headers]), { body: 'chunked', persistent })
    t.match(framing(headers, { status: 304 }), { body: 0, persistent })
    t.match(framing(headers), { body: 'until end', persistent: false })
    t.match(framing([...LENGTH, ...headers], { version: '1.0' }), { body: 5, persistent: false })
  }
})

const KEPT: Array<[values: string[], keepAlive: number | undefined]> = [
  [['timeout=5'], 5],
  [['Timeout=5'], 5],
  [['timeout=0'], 0],
  [['timeout=5, max=100'], 5],
  [['max=100,timeout=5'], 5],
  [['max=100; timeout=5 ; x'], 5],
  [['timeout=999999999'], 999_999_999],
  [['timeout=5', 'max=100'], 5],
  [['timeout=5', 'timeout=6'], 6],
  [[''], undefined],
  [['max=100'], undefined],
  [['timeout'], undefined],
  [['timeout='], undefined],
  [['timeout=-1'], undefined],
  [['timeout=5s'], undefined],
  [['timeout=5.5'], undefined],
  [['timeout="5"'], undefined],
  [['xtimeout=5'], undefined],
  [['timeout=1000000000'], undefined]
]

t.test('for how long the target keeps the connection', async t => {
  for (const [values, keepAlive] of KEPT) t.same(framing([...LENGTH, ...values.flatMap(value => ['Keep-Alive', value])]), { body: 5, persistent: true, bodyless: false, announcesBody: false, keepAlive, authenticates: false }, String(values))
})
