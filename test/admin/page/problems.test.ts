import t from 'tap'
import { FailingRoutes, problemsOf, type Status } from '../../../src/admin/page/problems.js'
import type { Point, RouteRow, TargetRow } from '../../../src/admin/page/protocol.js'

const NOW = 1_800_000_000_000

/** The texts, without what isolates names in them and with plain spaces. */
function texts (status: Partial<Status>): string[] {
  return problemsOf({ now: NOW, points: [], upstreams: [], failing: [], reload: null, ...status })
    .map(({ level, text }) => `${level}: ${text.replace(/[\u2068\u2069]/g, '').replaceAll('\u00a0', ' ')}`)
}

function target (url: string, more: Partial<TargetRow> = {}): TargetRow {
  return { url, state: 'ready', health: 'healthy', since: NOW - 60_000, reason: null, weight: 1, priority: 0, requests: 0, handshakes: 0, sessions: 0, failures: 0, ...more }
}

function point (more: Partial<Point> = {}): Point {
  return { at: NOW, requests: 100, errors: 0, handshakes: 0, messagesFromClients: 0, messagesFromTargets: 0, bytesFromClients: 0, bytesFromTargets: 0, sessions: 0, p50: 1, p99: 1, eventLoop: 1, ...more }
}

t.test('nothing is wrong', async t => {
  t.same(texts({}), [])
  t.same(texts({ points: [point()], upstreams: [{ name: 'a', waiting: 0, targets: [target('http://a'), target('http://b', { state: 'drain' })] }, { name: 'empty', waiting: 0, targets: [] }], reload: { at: NOW, ok: true } }), [])
})

t.test('targets', async t => {
  t.same(texts({ upstreams: [{ name: 'a', waiting: 3, targets: [target('http://a', { health: 'down', reason: 'refused' }), target('http://b')] }] }), [
    'warn: 3 requests wait for a place at a target of a',
    'warn: http://a in a has been down for 1 min: refused'
  ])
  t.same(texts({ upstreams: [{ name: 'a', waiting: 0, targets: [target('http://a', { state: 'maintenance' })] }] }), ['error: No target of upstream a is in service'])
  const many = Array.from({ length: 9 }, (_, index) => target(`http://${index}`, { health: 'ejected' }))
  const found = texts({ upstreams: [{ name: 'a', waiting: 0, targets: many }] })
  t.equal(found.length, 6)
  t.equal(found[0], 'error: No target of upstream a is in service', 'the worst comes first')
  t.equal(found.at(-1), 'warn: 5 more targets are ejected or down')
})

t.test('errors', async t => {
  t.same(texts({ points: [point({ errors: 1 }), point()] }), ['warn: 0.5 errors/s in the last 2 seconds, 0.5 % of requests'])
  t.same(texts({ points: [point({ errors: 20 })] }), ['error: 20 errors/s in the last 1 second, 20 % of requests'])
  t.same(texts({ points: [point({ errors: 2, requests: 0 })] }), ['error: 2 errors/s in the last 1 second, 100 % of requests'])
})

t.test('routes, the one with the most errors first', async t => {
  const failing = new FailingRoutes()
  const route = (url: string, errors: number): RouteRow => ({ url, methods: null, constraints: null, upstream: 'a', websocket: false, requests: 9, errors, sessions: 0, p50: null, p99: null })
  failing.note([route('/a', 1), route('/b', 3), route('/c', 0)], NOW - 20_000)
  failing.note([route('/a', 0), route('/b', 3)], NOW)
  t.same(texts({ failing: failing.list(NOW) }), ['warn: Route /b: 3 errors/s', 'warn: Route /a: errors until 20 s ago'])
  t.same(failing.list(NOW + 11_000).map(({ url }) => url), ['/b'])
})

t.test('reloads and the event loop', async t => {
  t.match(texts({ reload: { at: NOW, ok: false } }), [/^warn: The reload at \d\d:\d\d:\d\d failed, and the configuration before it stays in force$/])
  t.match(texts({ reload: { at: NOW, ok: false, text: 'line 4' } }), [/failed: line 4$/])
  t.same(texts({ points: [point({ eventLoop: 340 })] }), ['warn: The event loop was blocked for 340 ms: everything waits meanwhile'])
})
