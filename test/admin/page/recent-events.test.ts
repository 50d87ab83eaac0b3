import t from 'tap'
import { RecentEvents } from '../../../src/admin/page/recent-events.js'
import type { GatewayEvent } from '../../../src/admin/page/protocol.js'

const event = (text: string, at: number, count = 1): GatewayEvent => ({ at, kind: 'error', level: 'warn', text, count })

t.test('what happens again is one event, and the newest', async t => {
  const events = new RecentEvents()
  events.reset([event('b', 2), event('a', 1)])
  t.same(events.list().map(({ text }) => text), ['b', 'a'])
  events.add(event('a', 3, 2))
  t.same(events.list(), [event('a', 3, 2), event('b', 2)])
  events.add({ ...event('a', 4), target: 'http://a' })
  t.equal(events.size, 3, 'elsewhere it is another one')
})

t.test('an hour is remembered, and 500 events', async t => {
  const events = new RecentEvents()
  for (let index = 0; index < 600; index++) events.add(event(`${index}`, index * 10_000))
  t.equal(events.size, 500)
  t.equal(events.list().at(-1)!.text, '100')
  events.forget(6_000_000)
  t.equal(events.list().at(-1)!.text, '240')
})
