import t from 'tap'
import { age, bytes, bytesPerSecond, count, milliseconds, percent, perSecond, plural } from '../../../src/admin/page/format.js'

/** With plain spaces in place of those that do not break. */
const plain = (text: string): string => text.replaceAll('\u00a0', ' ')

t.test('numbers', async t => {
  t.equal(count(10_000), '10,000')
  t.same([0, 0.04, 0.4, 7, 9.94, 9.96, 1_240.4].map(perSecond), ['0', '0', '0.4', '7', '9.9', '10', '1,240'])
  t.same([0, 0.002, 0.0994, 0.12, 1].map(percent).map(plain), ['0 %', '0.2 %', '9.9 %', '12 %', '100 %'])
  t.same([0, 1, 2].map(value => plural(value, 'session')), ['0 sessions', '1 session', '2 sessions'])
})

t.test('bytes', async t => {
  t.same([0, 820, 999, 999.6, 1_240, 999_499, 999_600, 3_200_000, 5e9, 7e15].map(bytes).map(plain), ['0 B', '820 B', '999 B', '1 kB', '1.24 kB', '999 kB', '1 MB', '3.2 MB', '5 GB', '7,000 TB'])
  t.equal(plain(bytesPerSecond(1_240)), '1.24 kB/s')
})

t.test('durations', async t => {
  t.same([null, 0, 0.4, 9.96, 84.4, 999.4, 999.6, 1_240].map(milliseconds).map(plain), ['–', '0 ms', '0.4 ms', '10 ms', '84 ms', '999 ms', '1 s', '1.24 s'])
  t.same([-5, 0, 59_999, 60_000, 184_000, 3_600_000, 11_520_000, 86_400_000, 187_200_000].map(age).map(plain), ['0 s', '0 s', '59 s', '1 min', '3 min 4 s', '1 h', '3 h 12 min', '1 d', '2 d 4 h'])
})
