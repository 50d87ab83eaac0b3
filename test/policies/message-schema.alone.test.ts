import nodeModule from 'node:module'
import t from 'tap'
import { compileMessageRules } from '../../src/policies/message-rules.js'

const require = nodeModule.createRequire(import.meta.url)
const loaded = (part: string): boolean => Object.keys(require.cache).some(name => name.includes(`/node_modules/${part}`))

t.test('Ajv is loaded by the first schema, and what 2020-12 has beside it by the first of those', async t => {
  compileMessageRules({ allow: { '/type': ['ping'] } }, 'x', 'y')
  t.notOk(loaded('ajv'))
  compileMessageRules({ schema: {} }, 'x', 'y')
  t.ok(loaded('ajv/'))
  t.notOk(loaded('ajv/dist/2020'))
  compileMessageRules({ schema: { $schema: 'https://json-schema.org/draft/2020-12/schema' } }, 'x', 'y')
  t.ok(loaded('ajv/dist/2020'))
})
