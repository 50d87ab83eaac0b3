import t from 'tap'
import { linearPattern } from '../../src/message/linear-pattern.js'

const TEXTS = ['', 'a', 'A1_', 'ä', '😀', '\ud83d', ' ', '\t', '\u00a0', '\u2003', '\ufeff', '\n', 'a\n', '\r', '\u2028', '[', ']', '[:a', ':', '-', '.', 'a.b', 'αβγ', '\0']

t.test('a pattern means what it means in JavaScript', async t => {
  const patterns = ['^\\s$', '^\\S$', '^[\\s\\S]$', '^[^\\s]$', '^[^\\S]$', '^[\\sa]$', '^.$', '^.*$', '^[.]$', '^\\.$', '^[^a]$', '^[[:a]+$', '^[[\\]]$', '^\\[$', '^\\w+$', '\\ba', '^[]$', '^[^]$', 'a$', '^a$|^$']
  for (const pattern of patterns) {
    const compiled = linearPattern(pattern, 'u', '')
    for (const text of TEXTS) t.equal(compiled.test(text), new RegExp(pattern, 'u').test(text), `${pattern} on ${escape(text)}`)
  }
})

t.test('classes of Unicode mean so with the flag u alone', async t => {
  t.ok(linearPattern('^\\p{L}+$', 'u', '').test('αβγ'))
  t.ok(linearPattern('^[\\u{1f600}-\\u{1f64f}]$', 'u', '').test('😀'))
  t.throws(() => linearPattern('^\\p{L}+$', '', ', or do else'), { message: "'^\\p{L}+$' has \\p, which is not supported. Write it without, or do else." })
})

t.test('what has no bound is refused', async t => {
  for (const pattern of ['(?=a)', '(a)\\1', 'a{1,2000}', '(?<!a)b']) {
    t.throws(() => linearPattern(pattern, 'u', ''), /is not supported|has no bound on the time that it takes/, pattern)
  }
  t.throws(() => linearPattern('(', 'u', ''), /Unterminated group/)
})
