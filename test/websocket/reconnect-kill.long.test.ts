import t from 'tap'
import { survive, tell } from '../soak/survivors.js'

t.test('no client notices that its target is killed, twice under 50 busy sessions', async t => {
  const survival = { sessions: 50, kills: 2 }
  t.comment(tell(await survive(t, survival), survival))
})
