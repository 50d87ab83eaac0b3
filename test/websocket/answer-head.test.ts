import t from 'tap'
import { mayBeSwitching, readSwitchingHead } from '../../src/websocket/answer-head.js'

t.test('the head of a plain 101', async t => {
  t.same(readSwitchingHead('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-A:\t b c \t\r\nX-Empty:\r\nX-Latin:\xa0\xe9\xa0'), {
    message: 'Switching Protocols',
    headers: ['Upgrade', 'websocket', 'X-A', 'b c', 'X-Empty', '', 'X-Latin', '\xa0\xe9\xa0']
  })
  t.same(readSwitchingHead('HTTP/1.1 101'), { message: '', headers: [] })
})

t.test('what is left to a parser', async t => {
  for (const head of ['HTTP/1.1 1010 X', 'HTTP/1.0 101 X', 'HTTP/1.1 101 X\0', 'HTTP/1.1 101 X\r\nA', 'HTTP/1.1 101 X\r\nA : b', 'HTTP/1.1 101 X\r\n: b', 'HTTP/1.1 101 X\r\nA: b\r\n c', 'HTTP/1.1 101 X\r\nA: b\nc: d']) {
    t.equal(readSwitchingHead(head), undefined, JSON.stringify(head))
  }
})

t.test('what may become a 101', async t => {
  for (const start of ['H', 'HTTP/1.1 101', 'HTTP/1.1 101 Switching']) t.ok(mayBeSwitching(Buffer.from(start)), start)
  for (const start of ['X', 'HTTP/1.1 103', 'HTTP/1.0']) t.notOk(mayBeSwitching(Buffer.from(start)), start)
})
