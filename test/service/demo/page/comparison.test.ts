import t from 'tap'
import { compareHeaders } from '../../../../src/service/demo/page/comparison.js'

t.test('says what has become of each header, those that have changed first', async t => {
  const compared = compareHeaders(
    [['Host', 'a'], ['Connection', 'keep-alive, X-Mine'], ['X-Mine', '1'], ['X-Forwarded-For', '203.0.113.7'], ['Accept', '*/*'], ['TE', 'trailers']],
    [['Host', 'a'], ['Accept', '*/*'], ['X-Forwarded-For', '127.0.0.1'], ['X-Request-Id', 'r'], ['connection', 'keep-alive']]
  )
  t.same(compared.map(({ name, fate }) => [name, fate]), [
    ['X-Mine', 'removed'], ['TE', 'removed'], ['X-Forwarded-For', 'changed'], ['X-Request-Id', 'added'], ['Connection', 'anew'], ['Host', 'kept'], ['Accept', 'kept']
  ])
  t.match(compared[2], { sent: '203.0.113.7', got: '127.0.0.1' })
  t.match(compared[3], { sent: undefined, got: 'r' })
})

t.test('a header that is there several times is compared value by value', async t => {
  t.same(compareHeaders([['A', '1'], ['a', '2'], ['A', '3']], [['A', '3'], ['A', '2']]), [
    { name: 'A', fate: 'removed', sent: '1', got: undefined },
    { name: 'a', fate: 'kept', sent: '2', got: '2' },
    { name: 'A', fate: 'kept', sent: '3', got: '3' }
  ])
})

t.test('without any', async t => {
  t.same(compareHeaders([], []), [])
})
