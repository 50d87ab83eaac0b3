import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Turns } from '../../src/net/turns.js'

t.test('a few tasks begin in each turn of the event loop, in their order', async t => {
  const turns = new Turns()
  const begun: number[] = []
  for (let index = 0; index < 50; index++) turns.take().then(() => begun.push(index), t.fail)
  await Promise.resolve()
  t.equal(begun.length, 20)
  await turn()
  await turn()
  t.ok(begun.length >= 40)
  await turn()
  await turn()
  t.same(begun, Array.from({ length: 50 }, (_, index) => index))
  await turns.take()
  t.pass('and so do later ones')
})
