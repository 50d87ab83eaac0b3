import t, { type Test } from 'tap'
import { Alarm } from '../../../src/upstreams/http1/alarm.js'

/*
 * Timers of the same length run out in the order in which they were set. So a test waits for an alarm that was
 * set later, and knows then what the others have done. None waits for a time.
 */
const SHORT = 5
const LONG = 600_000

/** One that is always set for the same time. */
class TestAlarm {
  readonly #alarm: Alarm
  readonly #milliseconds: number

  constructor (milliseconds: number, ring: () => void) {
    this.#alarm = new Alarm(ring)
    this.#milliseconds = milliseconds
  }

  set (): void { this.#alarm.set(this.#milliseconds) }
  unset (): void { this.#alarm.unset() }
  clear (): void { this.#alarm.clear() }
}

/** Notes what rings, in its order. */
function room (t: Pick<Test, 'teardown'>): { rung: string[], alarm: (name: string, milliseconds?: number) => TestAlarm, settled: () => Promise<void> } {
  const rung: string[] = []
  // What is tested keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => { clearInterval(alive) })
  return {
    rung,
    alarm: (name, milliseconds = SHORT) => new TestAlarm(milliseconds, () => { rung.push(name) }),
    settled: () => new Promise(resolve => { new Alarm(() => resolve()).set(SHORT) })
  }
}

t.test('rings once, when it has been set', async t => {
  const { rung, alarm, settled } = room(t)
  alarm('never set')
  alarm('set').set()
  t.same(rung, [], 'not at once')
  await settled()
  await settled()
  t.same(rung, ['set'])
})

t.test('rings after its own time', async t => {
  const { rung, alarm, settled } = room(t)
  const long = alarm('long', LONG)
  long.set()
  alarm('short').set()
  await settled()
  t.same(rung, ['short'])
  long.clear()
})

t.test('counts from the last time that it was set', async t => {
  const { rung, alarm, settled } = room(t)
  const first = alarm('first')
  first.set()
  alarm('second').set()
  first.set()
  alarm('third').set()
  await settled()
  t.same(rung, ['second', 'first', 'third'])
})

t.test('does not ring when it has been unset', async t => {
  const { rung, alarm, settled } = room(t)
  const unset = alarm('unset')
  unset.unset()
  unset.set()
  unset.unset()
  await settled()
  t.same(rung, [])
})

t.test('can be set again before its timer has run out, and after', async t => {
  const { rung, alarm, settled } = room(t)
  const again = alarm('again')
  again.set()
  again.unset()
  again.set()
  await settled()
  t.same(rung, ['again'])
  again.set()
  await settled()
  t.same(rung, ['again', 'again'], 'when it has rung')
  again.set()
  again.unset()
  await settled()
  t.same(rung, ['again', 'again'])
  again.set()
  await settled()
  t.same(rung, ['again', 'again', 'again'], 'when its timer has run out unheard')
})

t.test('what it does may set it', async t => {
  const { rung, settled } = room(t)
  const alarm = new TestAlarm(SHORT, () => { if (rung.push('again') < 3) alarm.set() })
  alarm.set()
  for (let round = 0; round < 5; round++) await settled()
  t.same(rung, ['again', 'again', 'again'])
})

t.test('clear() is for good', async t => {
  const { rung, alarm, settled } = room(t)
  const fresh = alarm('fresh')
  const [set, unset] = [alarm('set'), alarm('unset')]
  set.set()
  unset.set()
  unset.unset()
  for (const cleared of [fresh, set, unset]) cleared.clear()
  await settled()
  for (const cleared of [set, unset]) {
    cleared.clear()
    cleared.set()
  }
  await settled()
  t.same(rung, [])
})

t.test('takes another time, and tells it', async t => {
  const { settled } = room(t)
  const rung: number[] = []
  const alarm = new Alarm(milliseconds => { rung.push(milliseconds) })
  alarm.set(LONG)
  alarm.set(SHORT)
  await settled()
  t.same(rung, [SHORT])
  alarm.set(SHORT - 1)
  await settled()
  await settled()
  t.same(rung, [SHORT, SHORT - 1])
})

t.test('keeps no process alive', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
  const before = timers()
  const alarm = new TestAlarm(LONG, () => {})
  alarm.set()
  t.equal(timers(), before)
  alarm.set()
  t.equal(timers(), before, 'nor when it is set again')
  alarm.clear()
})
