import t from 'tap'
import { RateLimit } from '../../../src/policies/message-rate/rate-limit.js'
import { SharedRates, type Place } from '../../../src/policies/message-rate/shared-rates.js'

/** A session of a key sends so many messages, and ends. */
function visit (rates: SharedRates, key: string, messages: number, now: number): void {
  const place = rates.enter(key, now)
  const limit = new RateLimit('close', place.bucket)
  limit.count(messages, messages, 0, now)
  limit.leave(now)
  rates.leave(place, now)
}

t.test('a key is known while it has a session, and until its bucket is full again', async t => {
  const rates = new SharedRates({ messages: 10, burst: 10 }, 0)
  const [one, two] = [rates.enter('a', 0), rates.enter('a', 0)]
  t.equal(one, two)
  t.not(rates.enter('b', 0), one)
  rates.leave(one, 0)
  t.equal(rates.size, 2)
  rates.leave(two, 0)
  t.equal(rates.size, 1, 'nothing was sent')

  visit(rates, 'c', 35, 0)
  rates.sweep(3000)
  t.equal(rates.size, 2)
  const again = rates.enter('c', 3000)
  t.equal(again.bucket.untilFull(3000), 500)
  rates.sweep(10_000)
  t.equal(rates.size, 2, 'one that is in use stays')
  rates.leave(again, 10_000)
  t.equal(rates.size, 1)
  visit(rates, 'd', 35, 10_000)
  rates.sweep(14_000)
  t.equal(rates.size, 1)
})

t.test('a rate that has become slower keeps what is idle for longer, one that has become faster not for long', async t => {
  const rates = new SharedRates({ messages: 10, burst: 10 }, 0)
  visit(rates, 'a', 20, 0)
  rates.use({ messages: 1, burst: 10 }, 0)
  rates.sweep(3000)
  t.equal(rates.size, 1)
  rates.use({ messages: 0.001, burst: 10 }, 3000)
  visit(rates, 'b', 10, 3000)
  rates.use({ messages: 1000, burst: 10 }, 3000)
  rates.sweep(80_000)
  t.equal(rates.size, 0)
})

t.test('a long key is kept as its hash', async t => {
  const rates = new SharedRates({ messages: 1 }, 0)
  const long = 'x'.repeat(16_000)
  const place = rates.enter(long, 0)
  t.equal(place.key.length, 64)
  t.equal(rates.enter(long, 0), place)
  t.not(rates.enter(`${long}x`, 0), place)
  t.not(rates.enter(place.key, 0), place, 'nobody has the key of another by its hash')
})

t.test('many keys are forgotten little by little, without a timer for each', async t => {
  const rates = new SharedRates({ messages: 10, burst: 10 }, 0)
  const timers = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const places: Place[] = []
  for (let count = 0; count < 100_000; count++) {
    const place = rates.enter(`10.0.${count >> 8}.${count & 255}`, 0)
    new RateLimit('close', place.bucket).count(1, 1, 0, 0)
    places.push(place)
  }
  let longest = 0
  const timed = (work: () => void) => {
    const started = performance.now()
    work()
    longest = Math.max(longest, performance.now() - started)
  }
  for (let from = 0; from < places.length; from += 1000) timed(() => { for (const place of places.slice(from, from + 1000)) rates.leave(place, 0) })
  t.equal(rates.size, 100_000)
  t.equal(process.getActiveResourcesInfo().filter(name => name === 'Timeout').length, timers, 'none keeps the process alive')
  for (let sweeps = 1; rates.size > 0; sweeps++) {
    timed(() => rates.sweep(2000))
    t.equal(rates.size, 100_000 - sweeps * 1000)
  }
  t.comment(`the longest took ${longest.toFixed(1)} ms`)
  t.ok(longest < 100)
})

t.test('what is due is forgotten without being asked', async t => {
  const rates = new SharedRates({ messages: 1000, burst: 10 }, performance.now())
  for (let count = 0; count < 3000; count++) visit(rates, String(count), 10, performance.now())
  // The timers of it keep no process alive.
  const alive = setInterval(() => {}, 1000)
  while (rates.size > 0) await new Promise(resolve => setTimeout(resolve, 20))
  clearInterval(alive)
  t.equal(rates.size, 0)
})
