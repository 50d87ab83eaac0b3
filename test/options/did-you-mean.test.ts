import t from 'tap'
import { nearest } from '../../src/options/did-you-mean.js'

t.test('finds the word that was meant', async t => {
  const words = ['host', 'port', 'connectTimeout', 'headersTimeout']
  t.equal(nearest('hsot', words), 'host', 'exchanged letters')
  t.equal(nearest('ports', words), 'port', 'one letter too many')
  t.equal(nearest('pot', words), 'port', 'one letter missing')
  t.equal(nearest('Host', words), 'host', 'another case')
  t.equal(nearest('connectTimout', words), 'connectTimeout')
  t.equal(nearest('connectionTimeout', words), 'connectTimeout')
})

t.test('keeps silent when nothing is near', async t => {
  t.equal(nearest('weight', ['host', 'port']), undefined)
  t.equal(nearest('', ['host']), undefined)
  t.equal(nearest('host', []), undefined)
})
