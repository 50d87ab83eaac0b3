import t from 'tap'
import { HeadBytes } from '../../../src/upstreams/http1/head-bytes.js'
import { cutsOf, however, pieces } from '../../helpers/pieces.js'

// Issue 8, item 11

function take (text: string, cuts: number[], limit = 100): { text: string, end: number, tooLong: boolean } {
  const head = new HeadBytes()
  head.limit = limit
  head.begin()
  let end = 0
  for (const piece of pieces(Buffer.from(text), cuts)) {
    const found = head.take(piece, 0)
    end += found ?? piece.length
    if (found !== undefined || head.tooLong) return { text: head.text, end: head.tooLong ? -1 : end, tooLong: head.tooLong }
  }
  return { text: head.text, end: -2, tooLong: false }
}

t.test('finds the end of a head, however it is cut', async t => {
  for (const head of ['a', 'a: b\r\nc: d', '', '\r', 'a\r\n\r']) {
    const text = `${head}\r\n\r\nrest\r\n\r\n`
    t.same(however(cutsOf(text.length), cuts => take(text, cuts)), { text: head, end: head.length + 4, tooLong: false }, JSON.stringify(head))
  }
  t.same(however(cutsOf(6), cuts => take('a\r\n\r\r\n'.slice(0, 6), cuts)), { text: '', end: -2, tooLong: false }, 'it has not come')
})

t.test('has a limit, also where more comes in one piece', async t => {
  t.match(however(cutsOf(12), cuts => take('12345678\r\n\r\n', cuts, 8)), { text: '12345678', end: 12, tooLong: false })
  t.match(however(cutsOf(13), cuts => take('123456789\r\n\r\n', cuts, 8)), { end: -1, tooLong: true })
  t.match(take(`a${'x'.repeat(100_000)}\r\n\r\n`, [1], 1_000), { tooLong: true })
})

t.test('begins with some bytes, and anew', async t => {
  const head = new HeadBytes()
  head.limit = 100
  head.begin(Buffer.from('\r\n'))
  t.equal(head.take(Buffer.from('\r\nrest'), 0), 2)
  t.equal(head.text, '')
  head.begin()
  t.equal(head.take(Buffer.from('xxa\r\n'), 2), undefined)
  t.equal(head.bytes.toString(), 'a\r\n')
  t.equal(head.take(Buffer.from('\r\n'), 0), 2)
  t.equal(head.text, 'a')
  t.equal(head.length, 0)
})

t.test('a head of a megabyte that comes a byte at a time costs no more than its bytes', async t => {
  const size = 2 ** 20
  const bytes = Buffer.alloc(size, 'x')
  const head = new HeadBytes()
  head.limit = 2 * size
  head.begin()
  // Copied anew for each byte, it would be 500 GB.
  for (let index = 0; index < size; index++) head.take(bytes.subarray(index, index + 1), 0)
  t.equal(head.take(Buffer.from('\r\n\r\n'), 0), 4)
  t.equal(head.text.length, size)
})
