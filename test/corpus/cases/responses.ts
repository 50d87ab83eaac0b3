/** What a target sends in response to the first request, and what is allowed to become of it. */
export interface ResponseCase {
  name: string
  answer: string
  /** What the client may be given: a status, behind it a body; or `broken`, a connection that ends before the end of a response. */
  expect: string[]
  /** GET by default, of HTTP/1.1. */
  method?: 'HEAD' | 'POST'
  version?: '1.0'
  /** What the target does behind its response, instead of keeping the connection. */
  then?: 'end' | 'reset'
  /** How often the target gets the request. Default: once; a connection that ends without a response has it sent again. */
  times?: 2
  /** Sent when the client has the response. */
  late?: string
}

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

function answer (lines: string[], body = '', start = 'HTTP/1.1 200 OK'): string {
  return [start, ...lines, '', body].join('\r\n')
}

/** None of these is a response that goes on, nor is what stands behind it. */
const refused: ResponseCase[] = Object.entries({
  'two lengths': answer(['Content-Length: 2', 'Content-Length: 5'], 'hello'),
  'two lengths in one line': answer(['Content-Length: 2, 5'], 'hello'),
  'one length twice': answer(['Content-Length: 2', 'Content-Length: 2'], 'hi'),
  'a length with a sign': answer(['Content-Length: +2'], 'hi'),
  'a negative length': answer(['Content-Length: -2'], 'hi'),
  'a length in hex notation': answer(['Content-Length: 0x2'], 'hi'),
  'a length with a point': answer(['Content-Length: 2.0'], 'hi'),
  'a length beyond 2^64': answer(['Content-Length: 18446744073709551618'], 'hi'),
  'no number as length': answer(['Content-Length: two'], 'hi'),
  'a length and a coding': answer(['Content-Length: 5', 'Transfer-Encoding: chunked'], `2\r\nhi\r\n0\r\n\r\n${POISON}`),
  'a coding and a length': answer(['Transfer-Encoding: chunked', 'Content-Length: 5'], `2\r\nhi\r\n0\r\n\r\n${POISON}`),
  'a space before a colon': answer(['Content-Length : 2'], 'hi'),
  'a space in a name': answer(['X Y: 1', 'Content-Length: 2'], 'hi'),
  'a line without a colon': answer(['X', 'Content-Length: 2'], 'hi'),
  'an empty name': answer([': 1', 'Content-Length: 2'], 'hi'),
  'a name with a null': answer(['X\0Y: 1', 'Content-Length: 2'], 'hi'),
  'a value with a null': answer(['X: a\0b', 'Content-Length: 2'], 'hi'),
  'a value with a bare CR': answer(['X: a\rSet-Cookie: evil=1', 'Content-Length: 2'], 'hi'),
  'no HTTP': 'hello there\r\n\r\n',
  'a response of ICY': 'ICY 200 OK\r\nContent-Length: 2\r\n\r\nhi',
  'HTTP/2': 'HTTP/2 200\r\nContent-Length: 2\r\n\r\nhi',
  'HTTP/3.0': 'HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\nhi',
  'a status of two digits': answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 20 OK'),
  'a status of four digits': answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 2000 OK'),
  'no status': answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 OK'),
  'a status of letters': answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 2OO OK'),
  'a request': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'a greeting of TLS': '\x15\x03\x01\x00\x02\x02\x28',
  'a head of 100 KB': answer([`X: ${'a'.repeat(100_000)}`, 'Content-Length: 2'], 'hi'),
  'a bare 101': answer([], POISON, 'HTTP/1.1 101 Switching Protocols'),
  'a 101 to something': answer(['Connection: Upgrade', 'Upgrade: foo'], POISON, 'HTTP/1.1 101 Switching Protocols')
}).map(([name, bytes]) => ({ name: `${name}: no response`, answer: bytes, then: 'end', expect: ['502'] }))

/** No byte of a response, and the connection ends: the request is sent once more. */
const none: ResponseCase[] = [
  { name: 'the end of the connection: no response', answer: '', then: 'end', times: 2, expect: ['502'] },
  { name: 'a reset: no response', answer: '', then: 'reset', times: 2, expect: ['502'] },
  { name: 'the end of the connection behind a POST: no response', method: 'POST', answer: '', then: 'end', expect: ['502'] },
  { name: 'a reset behind a POST: no response', method: 'POST', answer: '', then: 'reset', expect: ['502'] }
]

/** Some of the body may be on its way when the rest is found wrong. */
const broken: ResponseCase[] = ([
  ['a body less than its length', answer(['Content-Length: 5'], 'hi'), 'end'],
  ['a body less than its length, and a reset', answer(['Content-Length: 5'], 'hi'), 'reset'],
  ['a length, and no body', answer(['Content-Length: 5']), 'end'],
  ['no last chunk', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n'), 'end'],
  ['no last chunk, and a reset', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n'), 'reset'],
  ['a chunk that ends early', answer(['Transfer-Encoding: chunked'], '5\r\nhi'), 'end'],
  ['no chunk at all', answer(['Transfer-Encoding: chunked']), 'end'],
  ['half a last chunk', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n'), 'end'],
  ['a size that is none', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\nzz\r\n'), 'end'],
  ['a negative size', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n-1\r\n'), 'end'],
  ['a size in hex notation', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0x2\r\nhi\r\n0\r\n\r\n'), 'end'],
  ['a size beyond 2^64', answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n10000000000000002\r\nhi\r\n0\r\n\r\n'), 'end'],
  ['no CRLF behind a chunk', answer(['Transfer-Encoding: chunked'], '2\r\nhiXX0\r\n\r\n'), 'end'],
  ['a chunk longer than its size', answer(['Transfer-Encoding: chunked'], '2\r\nhixx\r\n0\r\n\r\n'), 'end'],
  ['garbage for chunks', answer(['Transfer-Encoding: chunked'], 'hello'), 'end']
] as const).map(([name, bytes, then]) => ({ name: `${name}: a broken response`, answer: bytes, then, expect: ['broken'] }))

/** One meaning, and it stays. */
const whole: ResponseCase[] = [
  { name: 'a length', answer: answer(['Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'chunks', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n'), expect: ['200 hi'] },
  { name: 'chunks with extensions and trailers', answer: answer(['Transfer-Encoding: chunked'], '2;a=b\r\nhi\r\n0\r\nX: 1\r\n\r\n'), expect: ['200 hi X: 1'] },
  { name: 'trailers of the connection', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nConnection: X\r\nX: 1\r\nKeep-Alive: timeout=1\r\nY: 1\r\n\r\n'), expect: ['200 hi Y: 1'] },
  { name: 'a trailer with a coding', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n'), expect: ['200 hi'] },
  { name: 'a trailer with a length', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nContent-Length: 5\r\n\r\n'), expect: ['200 hi'] },
  { name: 'a trailer of 8 bits', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nX: \xe9\r\n\r\n'), expect: ['200 hi X: \xe9'] },
  { name: 'a folded trailer', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nX: a\r\n Y: b\r\n\r\n'), then: 'end', expect: ['502', 'broken'] },
  { name: 'a trailer with a null', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nX: a\0b\r\n\r\n'), then: 'end', expect: ['502', 'broken'] },
  { name: 'a trailer with a bare CR', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nX: a\rY: b\r\n\r\n'), then: 'end', expect: ['502', 'broken'] },
  { name: 'a trailer of 100 KB', answer: answer(['Transfer-Encoding: chunked'], `2\r\nhi\r\n0\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`), then: 'end', expect: ['502', 'broken'] },
  { name: 'half a trailer', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nX: 1\r\n'), then: 'end', expect: ['502', 'broken'] },
  { name: 'a reset where the end is the end of the body', answer: answer([], 'hi'), then: 'reset', expect: ['broken', '502'] },
  { name: 'a body up to the end', answer: answer([], 'hi'), then: 'end', expect: ['200 hi'] },
  { name: 'HTTP/1.0 with a length', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.0 200 OK'), then: 'end', expect: ['200 hi'] },
  { name: 'HTTP/1.0 up to the end', answer: answer([], 'hi', 'HTTP/1.0 200 OK'), then: 'end', expect: ['200 hi'] },
  { name: 'no reason', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 200 '), expect: ['200 hi'] },
  { name: 'a reason with a null', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 200 O\0K'), expect: ['200 hi', '502'] },
  { name: 'a reason of 8 bits', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 200 \xe9'), expect: ['200 hi', '502'] },
  { name: 'a status of 599', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 599 X'), expect: ['599 hi'] },
  { name: 'a value of 8 bits', answer: answer(['X: \xe9', 'Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'interim responses', answer: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${answer(['Content-Length: 2'], 'hi')}`, expect: ['200 hi'] },
  { name: '100 that nobody waits for', answer: `HTTP/1.1 100 Continue\r\n\r\n${answer(['Content-Length: 2'], 'hi')}`, expect: ['200 hi'] },
  { name: 'a hundred interim responses', answer: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(100) + answer(['Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'a flood of interim responses', answer: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(10_000) + answer(['Content-Length: 2'], 'hi'), then: 'end', expect: ['502'] },
  { name: 'a head of 60 KB', answer: answer([`X: ${'a'.repeat(60_000)}`, 'Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'extensions of 16 KB at each of many chunks', answer: answer(['Transfer-Encoding: chunked'], `1;${'a'.repeat(16_000)}\r\nx\r\n`.repeat(10)), then: 'end', expect: ['broken'] },
  { name: 'interim responses, and no more', answer: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', then: 'end', expect: ['502'] },
  { name: 'early hints that are no links', answer: `HTTP/1.1 103 Early Hints\r\nLink: a\r\nX: 1\r\n\r\n${answer(['Content-Length: 2'], 'hi')}`, expect: ['200 hi'] },
  { name: 'early hints with a length and a cookie', answer: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n${answer(['Content-Length: 2'], 'hi')}`, expect: ['200 hi'] },
  { name: 'an interim response with a body', answer: `HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nhi${answer(['Content-Length: 2'], 'yo')}`, then: 'end', expect: ['502'] },
  { name: 'a folded value', answer: answer(['X: a\r\n b', 'Content-Length: 2'], 'hi'), expect: ['502'] },
  { name: 'a folded length', answer: answer(['Content-Length:\r\n 2'], 'hi'), then: 'end', expect: ['502'] },
  { name: 'a fold that looks like a length', answer: answer(['X: a\r\n Content-Length: 5', 'Content-Length: 2'], 'hi'), expect: ['502'] },
  { name: 'lines that end in LF', answer: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi', then: 'end', expect: ['502'] },
  { name: 'a coding that is not chunked', answer: answer(['Transfer-Encoding: gzip'], 'hi'), then: 'end', expect: ['502'] },
  { name: 'a coding before chunked', answer: answer(['Transfer-Encoding: gzip, chunked'], '2\r\nhi\r\n0\r\n\r\n'), then: 'end', expect: ['502'] },
  { name: 'chunked before a coding', answer: answer(['Transfer-Encoding: chunked, gzip'], '2\r\nhi\r\n0\r\n\r\n'), then: 'end', expect: ['502'] },
  { name: 'a status of 600', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 600 X'), expect: ['502'] },
  { name: 'a status of 999', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 999 X'), expect: ['502'] },
  { name: 'a status of 000', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 000 X'), then: 'end', expect: ['502'] },
  { name: 'a status of 099', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 099 X'), then: 'end', expect: ['502'] },
  { name: 'a length that Connection lists', answer: answer(['Connection: content-length', 'Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'a keep-alive of nonsense', answer: answer(['Keep-Alive: timeout=-1, max=x', 'Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'headers of the connection', answer: answer(['Connection: close, X-Hop', 'X-Hop: 1', 'Upgrade: h2c', 'Proxy-Connection: close', 'Content-Length: 2'], 'hi'), then: 'end', expect: ['200 hi'] },
  { name: 'an early response to a POST', method: 'POST', answer: answer(['Content-Length: 2'], 'hi'), expect: ['200 hi'] }
]

/** Responses that have no body, with one. */
const bodyless: ResponseCase[] = [
  { name: '204 with a length', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 204 No Content'), expect: ['204'] },
  { name: '204 with chunks', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n', 'HTTP/1.1 204 No Content'), expect: ['204'] },
  { name: '204 with a response for a body', answer: answer([], POISON, 'HTTP/1.1 204 No Content'), expect: ['204'] },
  { name: '304 with the length of what it stands for', answer: answer(['Content-Length: 20'], '', 'HTTP/1.1 304 Not Modified'), expect: ['304'] },
  { name: '304 with a body', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 304 Not Modified'), expect: ['304'] },
  { name: '304 with a response for a body', answer: answer([`Content-Length: ${POISON.length}`], POISON, 'HTTP/1.1 304 Not Modified'), expect: ['304'] },
  { name: '205 with a body', answer: answer(['Content-Length: 2'], 'hi', 'HTTP/1.1 205 Reset Content'), expect: ['205', '205 hi'] },
  { name: 'HEAD with a length', method: 'HEAD', answer: answer(['Content-Length: 20']), expect: ['200'] },
  { name: 'HEAD with chunks', method: 'HEAD', answer: answer(['Transfer-Encoding: chunked']), expect: ['200'] },
  { name: 'HEAD with a body', method: 'HEAD', answer: answer(['Content-Length: 2'], 'hi'), expect: ['200'] },
  { name: 'HEAD with a response for a body', method: 'HEAD', answer: answer([`Content-Length: ${POISON.length}`], POISON), expect: ['200'] },
  { name: 'HEAD with chunks that are sent', method: 'HEAD', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n'), expect: ['200'] }
]

/** A response that nobody asked for must not wait for somebody who asks. */
const extra: ResponseCase[] = [
  { name: 'a second response with the first', answer: answer(['Content-Length: 2'], 'hi') + POISON, expect: ['200 hi'] },
  { name: 'a second response behind chunks', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n') + POISON, expect: ['200 hi'] },
  { name: 'a hundred answers', answer: answer(['Content-Length: 2'], 'hi') + POISON.repeat(100), expect: ['200 hi'] },
  { name: 'half a response with the first', answer: `${answer(['Content-Length: 2'], 'hi')}HTTP/1.1 200 OK\r\nX: `, expect: ['200 hi'] },
  { name: 'a second response later', answer: answer(['Content-Length: 2'], 'hi'), late: POISON, expect: ['200 hi'] },
  { name: 'half a response later', answer: answer(['Content-Length: 2'], 'hi'), late: 'HTTP/1.1 200 OK\r\nX: ', expect: ['200 hi'] },
  { name: 'a byte later', answer: answer(['Content-Length: 2'], 'hi'), late: 'x', expect: ['200 hi'] },
  { name: 'an interim response later', answer: answer(['Content-Length: 2'], 'hi'), late: 'HTTP/1.1 100 Continue\r\n\r\n', expect: ['200 hi'] },
  { name: 'more than the length', answer: answer(['Content-Length: 2'], 'hi there'), expect: ['200 hi'] },
  { name: 'more than a length of 0', answer: answer(['Content-Length: 0'], POISON), expect: ['200'] }
]

/** HTTP/1.0 knows no chunks. How a broken response ends there is in test/proxy/send-response.test.ts. */
const old: ResponseCase[] = [
  { name: 'chunks, to HTTP/1.0', version: '1.0', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n'), expect: ['200 hi'] },
  { name: 'trailers, to HTTP/1.0', version: '1.0', answer: answer(['Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\nX: 1\r\n\r\n'), expect: ['200 hi'] },
  { name: 'early hints, to HTTP/1.0', version: '1.0', answer: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${answer(['Content-Length: 2'], 'hi')}`, expect: ['200 hi'] },
  { name: 'a length, to HTTP/1.0', version: '1.0', answer: answer(['Content-Length: 2'], 'hi'), expect: ['200 hi'] },
  { name: 'a body less than its length, to HTTP/1.0', version: '1.0', answer: answer(['Content-Length: 5'], 'hi'), then: 'end', expect: ['broken'] }
]

export const answers: ResponseCase[] = [...refused, ...none, ...broken, ...whole, ...bodyless, ...extra, ...old]
