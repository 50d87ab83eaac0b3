import t from 'tap'
import { Histogram } from '../../src/observers/histogram.js'

t.test('counts by bounds', async t => {
  const histogram = new Histogram([1, 10, 100])
  for (const value of [0, 1, 2, 10, 11, 1000]) histogram.observe(value)
  t.same([histogram.counts, histogram.count, histogram.sum], [[2, 2, 1], 6, 1024])
})

t.test('estimates quantiles between two bounds', async t => {
  const histogram = new Histogram([1, 10, 100])
  t.equal(histogram.quantile(0.5), null, 'of nothing there is none')
  for (let count = 0; count < 10; count++) histogram.observe(5)
  t.equal(histogram.quantile(0), 1)
  t.equal(histogram.quantile(0.5), 5.5)
  t.equal(histogram.quantile(1), 10)
  histogram.observe(1000)
  t.equal(histogram.quantile(1), 100, 'beyond the last bound nothing is known')
})

t.test('adds, copies and compares', async t => {
  const first = new Histogram([1, 10])
  first.observe(0.5)
  const before = first.copy()
  first.observe(5)
  first.observe(50)
  t.match(first.since(before), { counts: [0, 1], count: 2, sum: 55 })
  t.match(before, { counts: [1, 0], count: 1 }, 'a copy does not change')
  before.add(first)
  t.match(before, { counts: [2, 1], count: 4, sum: 56 })
})
