import { Resolver } from 'node:dns/promises'
import t from 'tap'
import type { DnsOptions } from '../../../src/options/index.js'
import { dnsSource } from '../../../src/upstreams/discovery/dns.js'
import { startDnsmasq } from '../../helpers/dnsmasq.js'
import { follow } from '../../helpers/follow.js'
import { records, scripted, SERVFAIL } from '../../helpers/scripted-dns.js'

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

t.test('addresses that change, disappear and come back', async t => {
  const server = await startDnsmasq(t, ['10.0.0.2 app.test', '10.0.0.1 app.test'])
  const { lists, faults } = follow(t, source({ servers: server.servers, refresh: LONG }))
  t.same(await lists.next(), [found('10.0.0.1'), found('10.0.0.2')])
  await server.setHosts(['10.0.0.3 app.test', '10.0.0.2 app.test'])
  t.same(await lists.next(), [found('10.0.0.2'), found('10.0.0.3')], 'as soon as a TTL of 0 allows')
  await server.setHosts([])
  t.same(await lists.next(), [])
  t.equal(faults.rest, 0)
})

t.test('none is found, then one is', async t => {
  const server = await startDnsmasq(t, [])
  const { lists, faults, fault } = follow(t, source({ servers: server.servers, refresh: FLOOR }))
  t.equal(await fault(), "'app.test' has no A records: ENOTFOUND")
  t.same(await lists.next(), [], 'this is believed in the end')
  await server.queries(3)
  await server.setHosts(['10.0.0.1 app.test'])
  t.same(await lists.next(), [found('10.0.0.1')])
  t.equal(faults.rest, 0, 'it is reported once')
})

t.test('an order that rotates is no change', async t => {
  const hosts = ['10.0.0.1 app.test', '10.0.0.2 app.test', '10.0.0.10 app.test']
  const server = await startDnsmasq(t, hosts)
  const resolver = new Resolver()
  resolver.setServers(server.servers)
  t.notSame(await resolver.resolve4('app.test'), await resolver.resolve4('app.test'))
  const { lists } = follow(t, source({ servers: server.servers, port: 8080, scheme: 'https', refresh: FLOOR }))
  const targets = ['10.0.0.10', '10.0.0.1', '10.0.0.2'].map(address => ({ url: `https://${address}:8080`, host: 'app.test' }))
  t.same(await lists.next(), targets)
  await server.queries(7)
  await server.setHosts(hosts.slice(0, 2))
  t.same(await lists.next(), targets.slice(1))
})

t.test('a server that is stopped and started again', async t => {
  const server = await startDnsmasq(t, ['10.0.0.1 app.test'])
  const { lists, fault } = follow(t, source({ servers: server.servers, refresh: FLOOR }))
  t.same(await lists.next(), [found('10.0.0.1')])
  await server.stop()
  for (let count = 0; count < 4; count++) t.equal(await fault(), "the A records of 'app.test' could not be resolved: ECONNREFUSED")
  t.equal(lists.rest, 0)
  await server.start()
  await server.queries(2)
  t.equal(lists.rest, 0, 'the list is still the same')
  await server.setHosts(['10.0.0.2 app.test'])
  t.same(await lists.next(), [found('10.0.0.2')])
})

t.test('a name that is not resolved reports at once, and is asked for again', async t => {
  const server = await startDnsmasq(t, [])
  const { lists, fault } = follow(t, source({ name: 'app.example', servers: server.servers, refresh: LONG }))
  for (let count = 0; count < 2; count++) t.equal(await fault(), "the A records of 'app.example' could not be resolved: EREFUSED")
  t.equal(lists.rest, 0)
})

t.test('IPv6', async t => {
  const server = await startDnsmasq(t, ['fd00::2 app.test', 'fd00::1 app.test', '10.0.0.1 app.test'])
  const { lists } = follow(t, source({ name: 'app.test.', type: 'aaaa', scheme: 'https', servers: server.servers, refresh: FLOOR }))
  const first = { url: 'https://[fd00::1]:443', host: 'app.test' }
  t.same(await lists.next(), [first, { url: 'https://[fd00::2]:443', host: 'app.test' }])
  await server.setHosts(['fd00::1 app.test'])
  t.same(await lists.next(), [first])
  const none = follow(t, source({ name: 'old.test', type: 'aaaa', servers: server.servers, refresh: LONG }))
  await server.setHosts(['10.0.0.1 old.test'])
  t.match(await none.fault(), /^'old\.test' has no AAAA records: E(NODATA|NOTFOUND)$/)
})

t.test('services with priorities, weights, ports, and several addresses', async t => {
  const hosts = ['10.0.0.1 one.test', '10.0.0.2 two.test', '10.0.0.3 two.test', 'fd00::4 six.test', '10.0.0.9 both.test', 'fd00::9 both.test']
  const services = ['one.test,8001,10,60', 'two.test,8002,10,40', 'six.test,8003,20,0', '127.0.0.5,8004,65535,9', 'both.test,8005,30,0', 'gone.test,8006,10,10']
  const server = await startDnsmasq(t, hosts, services.map(service => `--srv-host=_http._tcp.test,${service}`))
  const name = '_http._tcp.test'
  const { lists, fault } = follow(t, source({ name, type: 'srv', port: 1, servers: server.servers, refresh: 20 }))
  const one = { url: 'http://10.0.0.1:8001', weight: 3, priority: 10, host: 'one.test' }
  const two = { url: 'http://10.0.0.2:8002', weight: 1, priority: 10, host: 'two.test' }
  const both = { url: 'http://10.0.0.9:8005', weight: 1, priority: 30, host: 'both.test' }
  const others = [
    { url: 'http://127.0.0.5:8004', weight: 1, priority: 65_535 },
    { url: 'http://[fd00::4]:8003', weight: 1, priority: 20, host: 'six.test' }
  ]
  t.same(await lists.next(), [one, two, { ...two, url: 'http://10.0.0.3:8002' }, both, ...others])
  await server.setHosts(hosts.filter(line => line !== '10.0.0.3 two.test'))
  t.same(await lists.next(), [one, { ...two, weight: 2 }, both, ...others], 'the only address has the whole weight')
  await server.setHosts(hosts.filter(line => line !== '10.0.0.3 two.test' && !line.endsWith('both.test')))
  t.same(await lists.next(), [one, { ...two, weight: 2 }, ...others], 'what has no address is left out')
  await server.stop()
  t.equal(await fault(), "the SRV records of '_http._tcp.test' could not be resolved: ECONNREFUSED")
  await server.start([`--srv-host=${name},one.test,8001`, `--srv-host=${name},two.test,0`])
  t.same(await lists.next(), [{ ...one, weight: 1, priority: 0 }])
})

t.test('services that are not there', async t => {
  const server = await startDnsmasq(t, [], [
    '--srv-host=_none._tcp.test', '--srv-host=_lost._tcp.test,lost.test,80', '--srv-host=_refused._tcp.test,app.example,80', '--srv-host=_zero._tcp.test,127.0.0.1,0'
  ])
  const options = { type: 'srv', servers: server.servers, refresh: LONG } as const
  const none = follow(t, source({ name: '_none._tcp.test', ...options }))
  t.equal(await none.fault(), "'_none._tcp.test' has no SRV records: its record says that the service is not available")
  t.same(await none.lists.next(), [])
  const missing = follow(t, source({ name: '_missing._tcp.test', ...options }))
  t.equal(await missing.fault(), "'_missing._tcp.test' has no SRV records: ENOTFOUND")
  for (const [service, reason] of [['_lost', "the addresses of 'lost.test': ENOTFOUND"], ['_refused', "the addresses of 'app.example': EREFUSED"], ['_zero', "the record of '127.0.0.1' has port 0"]] as const) {
    const { lists, fault } = follow(t, source({ name: `${service}._tcp.test`, ...options }))
    for (let count = 0; count < 3; count++) t.equal(await fault(), `the SRV records of '${service}._tcp.test' could not be resolved: ${reason}`)
    t.equal(lists.rest, 0, 'this is a failure')
  }
})

t.test('weights keep their proportions as well as they can', async t => {
  const hosts = ['10.0.0.1 a.test', '10.0.0.2 b.test', '10.0.0.3 c.test', '10.0.0.4 d.test', '10.0.0.5 d.test', '10.0.0.6 d.test']
  const cases = [
    ['equal', { a: 7, b: 7, c: 7 }, [1, 1, 1]],
    ['zero', { a: 0, b: 0, d: 0 }, [1, 1, 1, 1, 1]],
    ['smallest', { a: 65_535, b: 21_845 }, [3, 1]],
    ['some-zero', { a: 0, b: 60, c: 40 }, [1, 999, 666]],
    ['one-zero', { a: 0, b: 5 }, [1, 1_000]],
    ['large', { a: 65_535, b: 1, c: 30_000 }, [1_000, 1, 458]],
    ['shared', { a: 10, b: 5, d: 10 }, [6, 3, 2, 2, 2]]
  ] as const
  const server = await startDnsmasq(t, hosts, cases.flatMap(([name, weights]) =>
    Object.entries(weights).map(([host, weight]) => `--srv-host=_${name}._tcp.test,${host}.test,80,0,${weight}`)))
  for (const [name, , weights] of cases) {
    const { lists, end } = follow(t, source({ name: `_${name}._tcp.test`, type: 'srv', servers: server.servers, refresh: LONG }))
    t.same((await lists.next()).map(target => (target as { weight: number }).weight), weights, name)
    await end()
  }
})

t.test('one address in several records is one target', async t => {
  const server = await startDnsmasq(t, ['10.0.0.1 a.test', '10.0.0.1 b.test', '10.0.0.1 c.test'], ['a,2,9', 'b,1,5', 'c,1,10'].map(record => {
    const [host, ...rest] = record.split(',')
    return `--srv-host=_http._tcp.test,${host}.test,80,${rest.join(',')}`
  }))
  const { lists } = follow(t, source({ name: '_http._tcp.test', type: 'srv', servers: server.servers, refresh: FLOOR }))
  t.same(await lists.next(), [{ url: 'http://10.0.0.1:80', weight: 2, priority: 1, host: 'c.test' }])
  await server.queries(20)
  t.equal(lists.rest, 0)
})

t.test('a record keeps its addresses while they cannot be resolved', async t => {
  const { servers: [late], queries } = await scripted(t, number => number === 1 ? records('10.0.0.7') : SERVFAIL)
  const { servers } = await startDnsmasq(t, [], [
    '--srv-host=_http._tcp.test,app.slow.test,80', '--srv-host=_http._tcp.test,10.0.0.9,80', `--server=/slow.test/${late!.replace(':', '#')}`, '--cache-size=0'
  ])
  const { lists, faults } = follow(t, source({ name: '_http._tcp.test', type: 'srv', servers }))
  t.match(await lists.next(), [{ url: 'http://10.0.0.7:80' }, { url: 'http://10.0.0.9:80' }])
  for (let count = 0; count < 6; count++) await queries.next()
  t.equal(lists.rest + faults.rest, 0)
})

t.test('it ends while the addresses of a service are asked for', async t => {
  const { servers: [silent], queries } = await scripted(t, () => undefined)
  const { servers } = await startDnsmasq(t, [], ['--srv-host=_http._tcp.test,app.slow.test,80', `--server=/slow.test/${silent!.replace(':', '#')}`])
  const { lists, faults, end } = follow(t, source({ name: '_http._tcp.test', type: 'srv', servers }))
  await queries.next()
  await end()
  t.equal(lists.rest + faults.rest, 0)
})
