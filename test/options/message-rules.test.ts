import t from 'tap'
import { MessageRules } from '../../src/options/index.js'
import { problems } from '../../src/options/validate.js'

const wrong = (rules: unknown): string[] =>
  problems(MessageRules, rules).map(({ path, message }) => `${path.join('.')}: ${message.replace(/ \([^)]*\.\)$/, '')}`)

t.test('rules for messages', async t => {
  t.strictSame(wrong({ schema: { type: 'object' }, allow: { '': ['a'], '/a~1b/~0': [1, true, null] }, deny: { '/x': [-0.5] }, onInvalid: 'drop' }), [])
  t.strictSame(wrong({ schema: 'order.json' }), [])
  t.strictSame(wrong({ schema: {} }), [])
  t.match(wrong({ schema: ['a'] }), [/^schema: must be a string or an object, got \["a"\]/])
  t.match(wrong({ allow: {} }), [/^allow: must be an object with at least 1 entry, got \{\}/])
  t.match(wrong({ allow: { '/a': [] } }), [/^allow\./])
  t.match(wrong({ allow: { '/a': [{}] } }), [/must be a string or a number or a boolean or a null, got \{\}/])
  for (const pointer of ['type', '/a~2', '/a~', '$.type']) t.match(wrong({ deny: { [pointer]: ['a'] } }), [/must be a JSON pointer \(RFC 6901\)/], pointer)
  t.match(wrong({ onInvalid: 'ignore' }), [/^onInvalid: must be one of close, drop, got "ignore"/])
  t.match(wrong({ shema: {} }), [/^shema: there is no such option; did you mean 'schema'\?/])
})
