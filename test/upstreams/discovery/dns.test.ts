import t from 'tap'
import type { DnsOptions } from '../../../src/options/index.js'
import { dnsSource } from '../../../src/upstreams/discovery/dns.js'
import { follow } from '../../helpers/follow.js'
import { NXDOMAIN, SERVFAIL, records, scripted } from '../../helpers/scripted-dns.js'

/** Milliseconds from one query to the next at least. */
const FLOOR = 5
/** A time that no test waits for. */
const LONG = 2 ** 31 - 1

// The timers of the source keep no process alive.
const alive = setInterval(() => {}, LONG)
t.teardown(() => clearInterval(alive))

const found = (address: string, host = 'app.test', port = 80) => ({ url: `http://${address}:${port}`, host })

/** The source as the tests use it. */
const source = (options: Partial<DnsOptions>, floor = FLOOR) => dnsSource({ name: 'app.test', ...options }, floor)

t.test('responses without records are believed when they come three times in a row', async t => {
  const script = [
    records('10.0.0.1'), NXDOMAIN, NXDOMAIN,
    records('10.0.0.2'), NXDOMAIN, {},
    records('10.0.0.3'), NXDOMAIN, SERVFAIL, {}, SERVFAIL, NXDOMAIN,
    records('10.0.0.4')
  ]
  const { servers } = await scripted(t, number => script[number - 1] ?? records('10.0.0.4'))
  const { lists, faults } = follow(t, source({ servers, refresh: 20 }))
  for (const list of [[found('10.0.0.1')], [found('10.0.0.2')], [found('10.0.0.3')], [], [found('10.0.0.4')]]) t.same(await lists.next(), list)
  const messages = await Promise.all([faults.next(), faults.next()])
  t.match(messages, Array(2).fill({ message: "the A records of 'app.test' could not be resolved: ESERVFAIL" }))
  t.equal(faults.rest, 0)
})

t.test('when it is asked again', async t => {
  for (const [ttl, refresh, floor, least] of [[0, LONG, 10, 10], [3_600, 10, 5, 10], [3_600, 10, LONG, 10], [1, LONG, 5, 1_000]] as const) {
    let asked: number[] = []
    const { servers, queries } = await scripted(t, () => {
      asked.push(performance.now())
      return { addresses: ['10.0.0.1', '10.0.0.1'], ttl }
    })
    const { lists, end } = follow(t, source({ servers, refresh }, floor))
    t.same(await lists.next(), [found('10.0.0.1')])
    for (let count = 0; count < 2; count++) await queries.next()
    // A timer may be early by a millisecond.
    t.ok(asked[1]! - asked[0]! >= least - 1, `TTL ${ttl} s, refresh ${refresh}, floor ${floor}`)
    asked = []
    await end()
  }
})

t.test('it ends while a query is under way', async t => {
  for (const type of ['a', 'aaaa', 'srv'] as const) {
    const { servers, queries } = await scripted(t, () => undefined)
    const { lists, faults, end } = follow(t, source({ type, servers }))
    await queries.next()
    await end()
    t.equal(lists.rest + faults.rest, 0)
    const iterator = source({ type, servers })({ signal: new AbortController().signal, report: t.fail })[Symbol.asyncIterator]()
    const next = iterator.next()
    await queries.next()
    t.match(await iterator.return?.(), { done: true })
    t.match(await next, { done: true })
  }
})

t.test('it ends while it waits', async t => {
  const { servers, queries } = await scripted(t, number => number === 1 ? { addresses: ['10.0.0.1'], ttl: 3_600 } : NXDOMAIN)
  const ending = new AbortController()
  const iterator = source({ servers, refresh: LONG })({ signal: ending.signal, report: t.fail })[Symbol.asyncIterator]()
  t.match(await iterator.next(), { done: false })
  const next = iterator.next()
  ending.abort()
  t.match(await next, { done: true })
  t.match(await source({ servers })({ signal: ending.signal, report: t.fail })[Symbol.asyncIterator]().next(), { done: true }, 'it does not begin after its end')
  await queries.next()
  const other = source({ servers }, LONG)({ signal: new AbortController().signal, report: () => reported() })[Symbol.asyncIterator]()
  let reported = (): void => {}
  const report = new Promise<void>(resolve => { reported = resolve })
  const pending = other.next()
  await report
  t.match(await other.return?.(), { done: true })
  t.match(await pending, { done: true })
  await queries.next()
  t.equal(queries.rest, 0)
})

t.test('options that cannot be right', t => {
  for (const server of ['10.0.0.1', '10.0.0.1:53', '::1', '[::1]', '[::1]:5353']) t.type(source({ servers: [server] }), 'function')
  // With port 0, the process of Node would end.
  for (const server of ['127.0.0.1:0', '127.0.0.1:65536', 'dns.example', '[127.0.0.1]:53', '1.2.3:53', '127.0.0.1:', '']) {
    t.throws(() => source({ servers: ['10.0.0.1', server] }), { code: 'SLUICE_OPTIONS_INVALID', message: `Discovery by the DNS name 'app.test': the server '${server}' is not an IP address with an optional port, such as 127.0.0.1:5353 or [::1]:5353` })
  }
  for (const name of ['app.test:80', 'http://app.test', 'app..test', '.', 'a b']) t.throws(() => source({ name }), { message: `Discovery by the DNS name '${name}': it is not a valid DNS name, such as app.internal; a port is given by the option 'port'` })
  t.throws(() => source({ name: '10.0.0.1' }), { message: "Discovery by the DNS name '10.0.0.1': it is an IP address; give it as the URL of a target" })
  t.end()
})
