import t from 'tap'
import { TokenBucket } from '../../../src/policies/message-rate/token-bucket.js'

const [ann, ben, eve] = [{ name: 'ann' }, { name: 'ben' }, { name: 'eve' }]

t.test('one party', async t => {
  const bucket = new TokenBucket(10, 5, 1000)
  t.equal(bucket.take(ann, 5, 1000), 0, 'a burst')
  t.equal(bucket.take(ann, 1, 1000), 100, 'one on credit')
  t.equal(bucket.take(ann, 0, 1050), 50, 'half of it is paid back')
  t.equal(bucket.take(ann, 1, 1100), 100)
  t.equal(bucket.take(ann, 5, 1_000_000), 0, 'a pause fills it, up to the burst')
  t.equal(bucket.take(ann, 1, 1_000_000), 100)
  t.equal(bucket.take(ann, 0, 999_000), 100, 'no time passes backwards')
})

t.test('who owes little is out of debt soon, however much the others owe', async t => {
  const bucket = new TokenBucket(10, 10, 0)
  t.equal(bucket.take(eve, 1010, 0), 100_000)
  t.equal(bucket.take(ann, 1, 0), 200, 'each has half of what comes')
  t.equal(bucket.take(ben, 2, 0), 500, 'a third, until ann has paid, and then half')
  t.equal(bucket.take(eve, 0, 0), 100_300, 'in the end all is paid')
  t.equal(bucket.take(ann, 0, 300), 0)
  t.equal(bucket.take(ben, 0, 300), 200)
  t.equal(bucket.take(ben, 0, 500), 0)
  t.equal(bucket.take(ann, 1, 500), 200)
  t.equal(bucket.take(eve, 0, 100_400), 0)
  t.equal(bucket.untilFull(100_400), 1000)
})

t.test('no more is given in all than the rate, by however many', async t => {
  const bucket = new TokenBucket(100, 50, 0)
  const parties = Array.from({ length: 7 }, (_, index) => ({ batch: index * index + 1, next: 0, taken: 0 }))
  for (let now = 0; now < 60_000; now++) {
    for (const party of parties) {
      if (now < party.next) continue
      const left = bucket.take(party, 0, now)
      if (left === 0) {
        party.taken += party.batch
        party.next = now + bucket.take(party, party.batch, now)
      } else {
        party.next = now + left
      }
    }
  }
  const taken = parties.map(party => party.taken)
  const all = taken.reduce((sum, one) => sum + one)
  t.ok(all >= 6000 && all < 6050 + 150, `${all} in a minute`)
  t.ok(taken.every(one => Math.abs(one - 6050 / 7) < 60), `each has had as much, by turns of 1 to 37: ${taken.join()}`)
})

t.test('who comes later waits for what is owed', async t => {
  const bucket = new TokenBucket(10, 10, 0)
  bucket.queue(ben, 0)
  t.equal(bucket.take(ben, 0, 0), 0, 'nobody owes anything')
  bucket.take(ann, 20, 0)
  t.ok(bucket.isInDebt(0))
  bucket.queue(eve, 0)
  t.equal(bucket.take(eve, 0, 0), 1000)
  t.equal(bucket.take(ann, 0, 0), 1000, 'its waiting takes nothing')
  bucket.take(ben, 5, 500)
  t.equal(bucket.take(eve, 0, 500), 1000, 'but those who owe share what comes')
  t.equal(bucket.take(eve, 0, 1500), 0)
  t.notOk(bucket.isInDebt(1500))
  t.equal(bucket.take(eve, 3, 1500), 300)
  t.equal(bucket.take(eve, 0, 1800), 0)
})

t.test("one party's debt becomes another one's", async t => {
  const bucket = new TokenBucket(10, 10, 0)
  bucket.take(ann, 20, 0)
  bucket.take(ben, 10, 0)
  bucket.pass(ann, eve, 0)
  bucket.pass(ben, eve, 0)
  bucket.pass(ben, eve, 0)
  t.equal(bucket.take(ann, 0, 0), 0)
  t.equal(bucket.take(eve, 0, 0), 2000)
  t.equal(bucket.untilFull(0), 3000)
})

t.test('another rate gives no fresh burst, and takes effect from when it is in force', async t => {
  const bucket = new TokenBucket(10, 10, 0)
  bucket.take(ann, 10, 0)
  bucket.change(100, 1000, 500)
  t.equal(bucket.take(ann, 5, 500), 0, 'what has come before')
  t.equal(bucket.take(ann, 1, 500), 10)
  t.equal(bucket.untilFull(510), 10_000)
  bucket.change(1, 2, 10_510)
  t.equal(bucket.take(ann, 2, 10_510), 0)
  t.equal(bucket.take(ann, 1, 10_510), 1000, 'no more than the new burst is left')
})
