import t from 'tap'
import { UpstreamRegistry } from '../../src/upstreams/registry.js'
import { Endpoints } from '../../src/upstreams/endpoints.js'
import type { Target } from '../../src/upstreams/target.js'
import { Upstream, type Asking } from '../../src/upstreams/upstream.js'

const asking = { kind: 'request', request: { headers: {}, protocol: 'http' }, choose: () => {}, stopWaiting: undefined } as unknown as Asking
const find = (upstream: Upstream, who: Asking, excluded?: ReadonlySet<Target>) => upstream.find(who, excluded) as Target | undefined

t.test('weights interleave', async t => {
  const upstream = new Upstream('app', { targets: [{ url: 'http://a', weight: 3 }, 'http://b'] })
  const turns = Array.from({ length: 8 }, () => find(upstream, asking)!.address.hostname).join('')
  t.equal(turns, 'aabaaaba')
})

t.test('a target that was tried in vain is left out', async t => {
  const upstream = new Upstream('app', { targets: ['http://a', 'http://b'] })
  const first = find(upstream, asking)!
  const second = find(upstream, asking, new Set([first]))!
  t.not(first, second)
  t.equal(find(upstream, asking, new Set([first, second])), undefined)
  const single = new Upstream('app', { targets: ['http://a'] })
  t.equal(find(single, asking, new Set(single.targets)), undefined)
})

t.test('URLs become upstreams, a bounded number of them', async t => {
  const endpoints = new Endpoints()
  const registry = new UpstreamRegistry(endpoints)
  const first = registry.get('http://127.0.0.1:1')
  t.equal(registry.get('http://127.0.0.1:1'), first)
  for (let port = 2; port < 300; port++) registry.get(`http://127.0.0.1:${port}`)
  t.not(registry.get('http://127.0.0.1:1'), first)
  t.equal(registry.get('nobody'), undefined)
  t.equal(endpoints.size, 256)
  t.throws(() => registry.get('http://127.0.0.1/?query'), { code: 'SLUICE_TARGET_MALFORMED' })
  registry.release()
  t.equal(endpoints.size, 0)
})
