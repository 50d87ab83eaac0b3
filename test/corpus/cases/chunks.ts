import { HIDDEN, NEXT, request, type Case } from '../case.js'

/** The chunked coding: RFC 9112 §7.1. */

function chunked (body: string): string {
  return request('POST /t/a', ['Transfer-Encoding: chunked'], body)
}

const END = '0\r\n\r\n'

/** No chunks. What has arrived of the body may have gone on by then; what the target has is no whole request. */
const broken: Case[] = Object.entries({
  'a size with a sign': `+5\r\nhello\r\n${END}`,
  'a negative size': `-5\r\nhello\r\n${END}`,
  'a size of -0': `-0\r\n\r\n${END}`,
  'a size in hex notation': `0x5\r\nhello\r\n${END}`,
  'a size with an underscore': `0_5\r\nhello\r\n${END}`,
  'a size behind a space': ` 5\r\nhello\r\n${END}`,
  'a size behind a tab': `\t5\r\nhello\r\n${END}`,
  'a size in two parts': `0 5\r\nhello\r\n${END}`,
  'a size with a comma': `5,5\r\nhello\r\n${END}`,
  'a size with a point': `5.0\r\nhello\r\n${END}`,
  'a size with a null': `5\0\r\nhello\r\n${END}`,
  'a size that is no number': `g\r\nhello\r\n${END}`,
  'no size': `\r\nhello\r\n${END}`,
  'a size of 2^64 and 5': `10000000000000005\r\nhello\r\n${END}`,
  'a size of 2^64 - 1': `ffffffffffffffff1\r\nhello\r\n${END}`,
  'a size of 17 digits': `fffffffffffffffff\r\nhello\r\n${END}`,
  'a size that ends in LF': `5\nhello\r\n${END}`,
  'a size that ends in CR': `5\rhello\r\n${END}`,
  'a size that ends in CR CR LF': `5\r\r\nhello\r\n${END}`,
  'no CRLF behind a chunk': `5\r\nhello${END}`,
  'LF behind a chunk': `5\r\nhello\n${END}`,
  'CR behind a chunk': `5\r\nhello\r${END}`,
  'a chunk longer than its size': `3\r\nhello\r\n${END}`,
  'a chunk shorter than its size': `7\r\nhello\r\n${END}`,
  'an extension that ends in LF': `5;a\nhello\r\n${END}`,
  'an extension with a bare CR': `5;a\rb\r\nhello\r\n${END}`,
  'an extension with a null': `5;a=\0\r\nhello\r\n${END}`,
  'an extension whose quotes hold a line end': `5;a="\r\nhello\r\n${END}`,
  'an extension whose LF hides a request': `5;\nhello\r\n${END}${HIDDEN}`,
  'a last chunk that ends in LF': '0\n\r\n',
  'a last chunk and LF': '0\r\n\n',
  'a last chunk of -0': '-0\r\n\r\n',
  'a trailer without a colon': '0\r\nX\r\n\r\n',
  'a trailer with a space before the colon': '0\r\nX : 1\r\n\r\n',
  'a trailer with a null': '0\r\nX: \0\r\n\r\n',
  'a trailer with a bare LF': '0\r\nX: 1\nY: 2\r\n\r\n',
  'a trailer that is a length': '5\r\nhello\r\n0\r\nContent-Length: 100\r\n\r\n',
  'a trailer that is a coding': '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a trailer with a bare CR': '0\r\nX: 1\rY: 2\r\n\r\n'
}).map(([name, body]) => ({ name: `chunks: ${name}`, send: chunked(body) + NEXT, expect: [400] }))

/** Whole bodies. */
const fine: Case[] = Object.entries({
  plain: `5\r\nhello\r\n${END}`,
  two: `2\r\nhe\r\n3\r\nllo\r\n${END}`,
  'a size with leading zeros': `0005\r\nhello\r\n${END}`,
  'a last chunk of many zeros': '5\r\nhello\r\n00000\r\n\r\n',
  'an extension': `5;a\r\nhello\r\n${END}`,
  'an extension with a value': `5;a=b\r\nhello\r\n${END}`,
  'an extension with a value in quotes': `5;a="b c"\r\nhello\r\n${END}`,
  'an extension of the last chunk': '5\r\nhello\r\n0;a=b\r\n\r\n',
  'a trailer': '5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n',
  'a trailer that is a Host': '5\r\nhello\r\n0\r\nHost: evil.test\r\n\r\n',
  'a trailer that is a Cookie': '5\r\nhello\r\n0\r\nCookie: a=1\r\nAuthorization: Basic eA==\r\n\r\n',
  'a trailer that is a forwarding header': '5\r\nhello\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n'
}).map(([name, body]) => ({ name: `chunks: ${name}`, send: chunked(body) + NEXT, expect: ['POST /t/a hello', 'GET /t/next'] }))

const others: Case[] = [
  { name: 'chunks: a size in capitals', send: chunked(`A\r\n0123456789\r\n${END}`) + NEXT, expect: ['POST /t/a 0123456789', 'GET /t/next'] },
  { name: 'chunks: a hidden request in a chunk', send: chunked(`${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n${END}`) + NEXT, expect: [`POST /t/a ${HIDDEN}`, 'GET /t/next'] },
  { name: 'chunks: an empty body', send: chunked(END) + NEXT, expect: ['POST /t/a', 'GET /t/next'] },
  { name: 'chunks: a hidden request behind the last chunk', send: chunked(`${END}${HIDDEN}`), expect: ['POST /t/a', 'GET /t/hidden'] },
  { name: 'chunks: an end before the last chunk', send: chunked('5\r\nhello\r\n'), end: true, expect: [400], or: [[]] },
  { name: 'chunks: an end within a chunk', send: chunked('5\r\nhel'), end: true, expect: [400], or: [[]] },
  { name: 'chunks: an end within the last line', send: chunked('0\r\n\r'), end: true, expect: [400], or: [[]] },
  { name: 'chunks: an extension of 20 KB', send: chunked(`5;${'a'.repeat(20_000)}\r\nhello\r\n${END}`) + NEXT, expect: [413], or: [[400]] },
  { name: 'chunks: trailers of 20 KB', send: chunked(`0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`) + NEXT, expect: [431], or: [[400]] },
  { name: 'chunks: Trailer names what follows', send: request('POST /t/a', ['Trailer: Content-Length', 'Transfer-Encoding: chunked'], '0\r\nContent-Length: 3\r\n\r\n') + NEXT, expect: [400] }
]

export const chunks: Case[] = [...broken, ...fine, ...others]
