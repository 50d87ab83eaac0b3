import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { Candidate } from '../../../src/upstreams/balancing/balancer.js'
import { First } from '../../../src/upstreams/balancing/first.js'
import { Hash, hashOf } from '../../../src/upstreams/balancing/hash.js'
import { balancersOf } from '../../../src/upstreams/balancing/index.js'
import { LeastLoad } from '../../../src/upstreams/balancing/least-load.js'
import { RandomTwo } from '../../../src/upstreams/balancing/random-two.js'
import { RoundRobin } from '../../../src/upstreams/balancing/round-robin.js'
import { random } from '../../helpers/random.js'

const PICKS = 20_000
const request = { headers: {}, ip: '::1', url: '/' } as unknown as FastifyRequest

interface Fake extends Candidate { load: number, effectiveWeight: number }

const targetsOf = (...weights: number[]): Fake[] =>
  weights.map((effectiveWeight, index) => ({ index, effectiveWeight, load: 0, seed: hashOf(`http://10.0.0.${index}`) }))

const keyed = (headers: Record<string, string>) => ({ headers, ip: '::1', url: '/' }) as unknown as FastifyRequest

const fraction = (seed: number) => {
  const pick = random(seed)
  return () => pick(2 ** 32) / 2 ** 32
}

/** The share of each target among picks, and what it is by weight. */
function shares (targets: Fake[], pick: (index: number) => Fake): Array<{ share: number, fair: number }> {
  const counts = targets.map(() => 0)
  for (let index = 0; index < PICKS; index++) counts[pick(index).index]!++
  const weights = targets.reduce((sum, { effectiveWeight }) => sum + effectiveWeight, 0)
  return targets.map(({ effectiveWeight }, index) => ({ share: counts[index]! / PICKS, fair: effectiveWeight / weights }))
}

for (const weights of [[1, 1], [1, 3], [5, 1, 1], [10, 20, 30, 40], [7, 1, 2, 2, 8]]) {
  const within = (name: string, pick: (targets: Fake[]) => (index: number) => Fake) => t.test(`${name} keeps to the weights ${weights.join(', ')} within 2 %`, async t => {
    const targets = targetsOf(...weights)
    for (const { share, fair } of shares(targets, pick(targets))) t.ok(Math.abs(share - fair) <= 0.02, `${share} of ${fair}`)
  })
  within('round-robin', targets => {
    const balancer = new RoundRobin()
    return () => balancer.pick(targets)
  })
  within('least-load, with nothing to do,', targets => {
    const balancer = new LeastLoad()
    return () => balancer.pick(targets)
  })
  within('least-load, with sessions that stay,', targets => {
    const balancer = new LeastLoad()
    return () => {
      const target = balancer.pick(targets)
      target.load++
      return target
    }
  })
  within('random-two, with nothing to do,', targets => {
    const balancer = new RandomTwo(fraction(1))
    // The second is never less loaded.
    return () => balancer.pick(targets)
  })
  within('hash', targets => {
    const balancer = new Hash(({ headers }) => headers.user as string, undefined, new RoundRobin())
    return index => balancer.pick(targets, keyed({ user: `user-${index}` }))
  })
}

t.test('least-load gives a newcomer all that comes until it has its share', async t => {
  const targets = targetsOf(1, 1, 1)
  targets[0]!.load = targets[1]!.load = 500
  const balancer = new LeastLoad()
  for (let index = 0; index < 500; index++) balancer.pick(targets).load++
  t.same(targets.map(({ load }) => load), [500, 500, 500])
})

t.test('random-two takes the less loaded one', async t => {
  const targets = targetsOf(1, 1, 1)
  const balancer = new RandomTwo(fraction(2))
  for (let index = 0; index < 3_000; index++) balancer.pick(targets).load++
  for (const { load } of targets) t.ok(Math.abs(load - 1_000) <= 5, `${load}`)
  const [light, heavy] = targetsOf(1, 1) as [Fake, Fake]
  heavy.load = 5
  for (let index = 0; index < 100; index++) t.equal(balancer.pick([heavy, light]), light)
})

t.test('first takes the first that is left', async t => {
  const targets = targetsOf(1, 1, 1)
  t.equal(new First().pick(targets), targets[0])
  t.equal(new First().pick(targets.slice(1)), targets[1])
})

t.test('when one of ten targets goes, hash moves its keys and no others', async t => {
  for (const weights of [Array.from({ length: 10 }, () => 1), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]) {
    const targets = targetsOf(...weights)
    const balancer = new Hash(({ headers }) => headers.user as string, undefined, new RoundRobin())
    const gone = targets[4]!
    const left = targets.filter(target => target !== gone)
    let moved = 0
    let wronglyMoved = 0
    for (let index = 0; index < PICKS; index++) {
      const key = keyed({ user: `user-${index}` })
      const before = balancer.pick(targets, key)
      const after = balancer.pick(left, key)
      if (before === after) continue
      moved++
      if (before !== gone) wronglyMoved++
    }
    const ideal = PICKS * gone.effectiveWeight / weights.reduce((sum, weight) => sum + weight, 0)
    t.ok(moved <= 1.2 * ideal, `${moved} of ${ideal}`)
    t.equal(wronglyMoved, 0)
  }
})

t.test('a bounded load lets no target have more than its multiple of the fair share', async t => {
  const targets = targetsOf(1, 1, 1, 1)
  const balancer = new Hash(() => 'always the same', 1.25, new RoundRobin())
  const first = balancer.pick(targets, request)
  for (let index = 0; index < 1_000; index++) balancer.pick(targets, request).load++
  t.equal(targets.reduce((sum, { load }) => sum + load, 0), 1_000)
  t.ok(first.load >= 300 && first.load <= 313, `${first.load}`)
  for (const { load } of targets) t.ok(load <= 313, `${load}`)
})

t.test('a request without a key is balanced as by default', async t => {
  const targets = targetsOf(1, 1)
  const hash = { hash: { header: 'X-User' } }
  const { request: requests, handshake } = balancersOf(hash)
  t.not(requests.pick(targets, request), requests.pick(targets, request))
  targets[0]!.load = 1
  t.equal(handshake.pick(targets, request), targets[1])
  t.equal(handshake.pick(targets, request), targets[1])
  const withKey = keyed({ 'x-user': 'a' })
  t.equal(requests.pick(targets, withKey), requests.pick(targets, withKey))
  t.equal(requests.pick(targets, withKey), handshake.pick(targets, withKey))
})

t.test('each leg has an algorithm of its own', async t => {
  const byDefault = balancersOf(undefined)
  t.type(byDefault.request, RoundRobin)
  t.type(byDefault.handshake, LeastLoad)
  const both = balancersOf('random-two')
  t.type(both.request, RandomTwo)
  t.type(both.handshake, RandomTwo)
  const each = balancersOf({ requests: 'first', handshakes: { hash: 'address' } })
  t.type(each.request, First)
  t.type(each.handshake, Hash)
  t.type(balancersOf({ requests: 'least-load' }).handshake, LeastLoad)
})
