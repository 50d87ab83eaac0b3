import t from 'tap'
import { ResponseReader } from '../../../src/upstreams/http1/response-reader.js'
import type { ResponseHead } from '../../../src/message/response.js'

// Issue 8, item 5

/** What a reader makes of the response to a handshake, cut into pieces of some size. */
function read (text: string, size: number, upgrade: true | 'lenient' = 'lenient'): { switching: ResponseHead | undefined, fault: string | undefined, rest: string } {
  const reader = new ResponseReader({ onInterim () {}, onHead () {}, onBody () {} })
  reader.begin(64 * 1024, false, upgrade)
  const bytes = Buffer.from(text, 'latin1')
  let at = 0
  while (at < bytes.length && !reader.over && reader.fault === undefined) at += reader.read(bytes.subarray(at, at + size))
  return { switching: reader.switching, fault: reader.fault, rest: bytes.toString('latin1', at) }
}

const HEADERS = ['Upgrade', 'websocket', 'X', '1']

for (const size of [1, 2, 7, 1000]) {
  t.test(`a 101 that is not as RFC 9112 has it, in pieces of ${size}`, async t => {
    for (const [name, head] of Object.entries({
      'of HTTP/1.0': 'HTTP/1.0 101 OK\r\nUpgrade: websocket\r\nX: 1\r\n\r\n',
      'with line feeds alone': 'HTTP/1.1 101 OK\nUpgrade: websocket\nX: 1\n\n',
      'with some': 'HTTP/1.1 101 OK\nUpgrade: websocket\r\nX: 1\n\r\n',
      'with one at its end': 'HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nX: 1\r\n\n',
      'with lines that are no header fields': 'HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nno field\r\nX: 1\r\n folded\r\n\r\n',
      'with spaces before its status': 'HTTP/1.1  101 OK\r\nUpgrade: websocket\r\nX: 1\r\n\r\n'
    })) {
      t.match(read(`${head}frames\n\nand more`, size), { switching: { status: 101, message: 'OK', headers: HEADERS }, fault: undefined, rest: 'frames\n\nand more' }, name)
      t.equal(read(head, size, true).switching, undefined, `${name}, strictly`)
    }
    t.match(read('HTTP/1.1 101\n\nframes', size), { switching: { status: 101, message: '', headers: [] }, rest: 'frames' })
    t.match(read('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 101 OK\n\nframes', size), { switching: { status: 101 }, rest: 'frames' }, 'behind an interim response')
  })

  t.test(`any other response is read to the letter, in pieces of ${size}`, async t => {
    for (const head of ['HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'HTTP/1.1 100 Continue\n\nHTTP/1.1 101 OK\r\n\r\n', 'HTTP/1.1 1010 OK\n\n', 'HTTP/1.1 101x\n\n', 'HTTP/11 101 OK\n\n', 'hello\n\n']) {
      t.match(read(head, size), { switching: undefined, fault: /./ }, head)
    }
  })
}

t.test('a phrase with a CR in it ends nothing: the fuzzer of the soak tests sent one', async t => {
  for (const start of ['HTTP/1.1 101 a\rb', 'HTTP/1.1 101\rb', 'HTTP/1.0 101 \r']) {
    for (const size of [1, 3, 1000]) t.match(read(`${start}\r\nX: 1\r\n\r\nrest`, size), { switching: { status: 101, message: '', headers: ['X', '1'] }, rest: 'rest' }, start)
  }
})

t.test('a head without an end has a limit', async t => {
  t.match(read(`HTTP/1.1 101 OK\n${'X: 1\n'.repeat(20_000)}`, 1000), { switching: undefined, fault: /longer than maxHeaderSize/ })
})
