import t from 'tap'
import { requestHead } from '../../../src/upstreams/http1/request-head.js'
import type { HeaderList } from '../../../src/message/headers.js'

const HEADS: Array<[method: string, path: string, headers: HeaderList, head: string]> = [
  ['GET', '/', [], 'GET / HTTP/1.1\r\n'],
  ['OPTIONS', '*', ['Host', 'a'], 'OPTIONS * HTTP/1.1\r\nHost: a\r\n'],
  ['POST', '/a?b=%20', ['hOsT', 'a', 'Cookie', 'a=1', 'X-B', '2', 'x-b', '1', 'Cookie', 'b=2'], 'POST /a?b=%20 HTTP/1.1\r\nhOsT: a\r\nCookie: a=1\r\nX-B: 2\r\nx-b: 1\r\nCookie: b=2\r\n'],
  ['GET', '/\xe9', ['A', '', 'B', 'c\td  e', 'C', '\x80\xff'], 'GET /\xe9 HTTP/1.1\r\nA: \r\nB: c\td  e\r\nC: \x80\xff\r\n']
]

t.test('writes a head up to its last header line', async t => {
  for (const [method, path, headers, head] of HEADS) t.equal(requestHead(method, path, headers), head)
})

t.test('writes no name that is no token', async t => {
  for (const name of ['', ' ', 'a b', 'a:', 'a\r\nb', 'a\n', '\0', 'a\xe9', 'a(b)', '\u212a']) {
    t.throws(() => requestHead('GET', '/', ['A', 'b', name, 'c']), { name: 'TypeError', message: /a name/ }, JSON.stringify(name))
  }
})

t.test('writes no value that would be more than one header, or not as it was', async t => {
  for (const value of ['a\r\nB: c', '\r', '\n', '\0', '\x1f', '\x7f', '\u0100', '\u010d\u010a', '\u2028']) {
    t.throws(() => requestHead('GET', '/', ['A', 'b', 'X-C', value]), { name: 'TypeError', message: /the value of 'X-C'/ }, encodeURIComponent(value))
  }
})
