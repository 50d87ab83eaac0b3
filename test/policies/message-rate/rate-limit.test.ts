import t from 'tap'
import type { MessageRate } from '../../../src/options/index.js'
import { RateBucket } from '../../../src/policies/message-rate/rate-bucket.js'
import { RateLimit } from '../../../src/policies/message-rate/rate-limit.js'

const limit = (rate: MessageRate) => new RateLimit(rate.action, new RateBucket({ rate, since: 0 }, 0))

t.test('messages and bytes', async t => {
  const messages = limit({ messages: 2 })
  t.equal(messages.action, 'close')
  t.equal(messages.count(2, 2, 1e9, 0), 0, 'the burst is that of a second')
  t.equal(messages.count(3, 3, 1e9, 0), 500)
  t.equal(messages.count(3, 3, 1e9, 500), 0, 'nothing new')
  const slow = limit({ messages: 0.5 })
  t.equal(slow.count(1, 1, 0, 0), 0, 'less than one a second still lets one pass')
  t.equal(slow.count(2, 2, 0, 0), 2000)
  const bytes = limit({ messages: 1000, bytes: 100, action: 'delay' })
  t.equal(bytes.action, 'delay')
  t.equal(bytes.count(1, 1, 100, 0), 0)
  t.equal(bytes.count(2, 2, 150, 0), 500)
})

// Issue 8, C22.
t.test('frames', async t => {
  const given = limit({ messages: 2, frames: 4 })
  t.equal(given.count(0, 4, 0, 0), 0, 'the burst is that of a second')
  t.equal(given.count(0, 5, 0, 0), 250)
  const burst = limit({ messages: 2, burst: 20, frames: 4 })
  t.equal(burst.count(20, 20, 0, 0), 0, 'a burst of messages may have as many frames')
  t.equal(burst.count(20, 21, 0, 0), 250)
  const least = limit({ messages: 0.1 })
  t.equal(least.count(0, 100, 0, 0), 0, 'by default at least 100')
  t.equal(least.count(0, 101, 0, 0), 10)
  const tenfold = limit({ messages: 50, burst: 200 })
  t.equal(tenfold.count(200, 2000, 0, 0), 0, 'or ten for each message')
  t.equal(tenfold.count(200, 2001, 0, 0), 2)
})

t.test('what comes when nothing is relayed any more does not count', async t => {
  const one = limit({ messages: 1 })
  t.equal(one.count(2, 2, 0, 0), 1000)
  one.stop()
  t.equal(one.count(1000, 1000, 0, 0), 0)
  t.equal(one.wait(0), 1000)
})

t.test('sessions with one bucket', async t => {
  const inForce = { rate: { messages: 10, burst: 10, action: 'delay' } as MessageRate, since: 0 }
  const bucket = new RateBucket(inForce, 0)
  const [first, second, third] = [1, 2, 3].map(() => new RateLimit('delay', bucket)) as [RateLimit, RateLimit, RateLimit]
  t.equal(first.begin(0), 0)
  t.equal(second.begin(0), 0)
  t.equal(first.count(10, 10, 0, 0), 0)
  t.equal(second.count(10, 10, 0, 0), 1000)
  t.equal(third.begin(0), 1000, 'one that begins waits for what is owed')
  t.equal(new RateLimit('close', bucket).begin(0), 0)
  second.leave(0)
  third.leave(0)
  t.equal(second.wait(0), 0)
  t.equal(new RateLimit('delay', bucket).begin(500), 500, 'the debt of those that have ended stays')
  t.equal(bucket.untilFull(0), 1500)

  inForce.rate = { messages: 100, burst: 10, bytes: 5 }
  inForce.since = 500
  t.equal(new RateLimit('delay', bucket).begin(500), 50, 'a new rate counts for all of them')
  t.equal(first.count(10, 10, 6, 500), 200, 'a new limit, too')
  inForce.rate = { messages: 100, burst: 10 }
  t.equal(first.wait(500), 0)
})
