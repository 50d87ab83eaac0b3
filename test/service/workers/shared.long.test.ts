import t from 'tap'
import { echoBackend } from '../../helpers/backends.js'
import type { Samples } from '../../helpers/metrics.js'
import { refusingPort } from '../../helpers/raw-target.js'
import { closed, openSocket } from '../../helpers/sockets.js'
import { pidsOf, runSluice, startWorkers, untilWorkers, workersOf } from '../../helpers/workers.js'

// Issue 12: what the workers of the built service share.

t.setTimeout(300_000)

t.test('two workers serve requests and sessions, and the admin listener shows them as one', async t => {
  const service = await startWorkers(t)
  const { url, command, api } = service
  t.match(command.stdout, /"Server listening at http:\/\/127\.0\.0\.1:\d+ with 2 worker\(s\)"/)
  t.same((await workersOf(service)).map(({ id, state }) => [id, state]).sort(), [[1, 'serving'], [2, 'serving']])

  const sockets = await Promise.all(Array.from({ length: 60 }, () => openSocket(url)))
  const workers = await untilWorkers(service, workers => workers.reduce((sum, { sessions }) => sum + sessions, 0) === 60)
  t.ok(workers.every(({ sessions }) => sessions > 0), 'each has some')

  const { body: list } = await api('GET', '/api/sessions?limit=10&offset=5&sort=age')
  t.match(list, { total: 60, matching: 60, offset: 5 })
  const rows = list.sessions as Array<{ id: string, openedAt: number }>
  t.equal(rows.length, 10)
  t.same(rows.map(({ openedAt }) => openedAt), rows.map(({ openedAt }) => openedAt).sort((one, other) => one - other), 'sorted over both')
  t.match((await api('GET', `/api/sessions/${rows[0]!.id}`)).body, { id: rows[0]!.id })
  t.match(await api('GET', '/api/sessions/nobody'), { status: 404, body: { code: 'SLUICE_ADMIN_NOT_FOUND' } })
  t.match(await api('DELETE', `/api/sessions/${rows[1]!.id}?code=1006`), { status: 400, body: { code: 'SLUICE_ADMIN_INVALID' } })

  const ends = sockets.map(socket => closed(socket).then(({ code }) => code))
  t.match(await api('DELETE', `/api/sessions/${rows[0]!.id}?code=4001`), { status: 200, body: { closed: 1 } })
  t.equal(await Promise.race(ends), 4001)
  const { body: { upstreams } } = await api('GET', '/api/upstreams')
  t.match(upstreams, [{ name: 'app', targets: [{ sessions: 59, health: 'healthy' }] }])
  t.match(await api('POST', '/api/sessions/close', { filter: {}, code: 4002 }), { body: { closed: 59 } })
  t.same((await Promise.all(ends)).sort().slice(0, 3), [4001, 4002, 4002])
  t.match(await api('GET', '/api/routes'), { body: { routes: [{ url: '/*', upstream: 'app' }] } })
})

t.test('metrics are the sum of all workers, and do not become smaller when one is replaced', async t => {
  const service = await startWorkers(t)
  for (let index = 0; index < 20; index++) await (await fetch(service.url)).text()
  const served = { method: 'GET', route: '/*', status: '2xx', upstream: 'app' }
  const requests = (samples: Samples): number | undefined => samples.value('sluice_requests_total', served)
  const before = await service.until(samples => requests(samples) === 20)
  t.equal(before.value('sluice_workers', { state: 'serving' }), 2)
  t.equal(before.value('sluice_config_last_reload_successful', {}), 1)
  t.equal(before.text.match(/^sluice_target_up\{/gm)?.length, 1)
  t.match(await runSluice(service, t, 'restart'), { code: 0, text: '2 worker(s) restarted.\n' })
  await (await fetch(service.url)).text()
  t.equal(requests(await service.metrics()), 21)
  t.equal((await service.metrics()).value('sluice_request_duration_seconds_count', served), 21)

  const [pid] = await pidsOf(service)
  process.kill(pid!, 'SIGKILL')
  const after = await service.until(samples => samples.value('sluice_worker_failures_total', {}) === 1 && samples.value('sluice_workers', { state: 'serving' }) === 2)
  t.equal(requests(after), 21, 'what was collected before it was killed')
  const { body: { events } } = await service.api('GET', '/api/events')
  t.match(events, [{ kind: 'worker', level: 'error', text: /^worker 1 \(process \d+\) has ended unexpectedly: SIGKILL$/ }, { kind: 'worker', text: '2 worker(s) restarted' }])
})

t.test('--workers auto, and WORKERS', async t => {
  const auto = await startWorkers(t, { workers: undefined }, { args: ['--workers', 'auto'] })
  t.ok((await pidsOf(auto)).length >= 1)
  const one = await startWorkers(t, { workers: undefined }, { environment: { WORKERS: '1' } })
  t.equal((await pidsOf(one)).length, 1)
})

t.test('a target that is drained is drained in all workers, and in those that are started later', async t => {
  const first = await echoBackend(t)
  const second = await echoBackend(t)
  const service = await startWorkers(t, { upstreams: { app: { targets: [first.url, second.url] } } })
  const served = async (): Promise<Set<string>> => {
    const hosts = new Set<string>()
    for (let index = 0; index < 20; index++) {
      const response = await fetch(service.url, { headers: { connection: 'close' } })
      hosts.add(((await response.json()) as { headers: { host: string } }).headers.host)
      const { body } = await service.api('GET', '/api/upstreams/app')
      for (const { url, requests } of body.targets as Array<{ url: string, requests: number }>) if (requests > 0) hosts.add(url)
    }
    return hosts
  }
  t.match(await service.api('PATCH', '/api/upstreams/app/targets', { url: first.url, state: 'drain' }), { status: 200, body: { state: 'drain' } })
  let connections = 0
  first.server.on('request', () => { connections++ })
  await served()
  t.equal(connections, 0)
  t.match(await runSluice(service, t, 'restart'), { code: 0 })
  const { body } = await service.api('GET', '/api/upstreams/app')
  t.match(body.targets, [{ url: first.url, state: 'drain' }, { url: second.url, state: 'ready' }])
  await served()
  t.equal(connections, 0)
  t.match(await service.api('PATCH', '/api/upstreams/app/targets', { url: `http://127.0.0.1:${await refusingPort()}`, state: 'drain' }), { status: 404 })
})

t.test('a sticky client comes to its target whichever worker it comes to', async t => {
  const backends = await Promise.all([1, 2, 3].map(() => echoBackend(t)))
  const service = await startWorkers(t, { upstreams: { app: { targets: backends.map(({ url }) => url), sticky: true } } })
  const counts = backends.map(() => 0)
  for (const [index, { server }] of backends.entries()) server.on('request', () => { counts[index]!++ })
  const first = await fetch(service.url, { headers: { connection: 'close' } })
  await first.text()
  const cookie = first.headers.getSetCookie()[0]!.split(';', 1)[0]!
  for (let index = 0; index < 20; index++) await (await fetch(service.url, { headers: { cookie, connection: 'close' } })).text()
  t.same(counts.sort((one, other) => one - other), [0, 0, 21])
})

t.test('lines of several workers stay whole', async t => {
  const service = await startWorkers(t, { accessLog: { requestHeaders: ['x-filler'] } })
  const headers = { 'x-filler': 'x'.repeat(500) }
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 100 }, async () => { await (await fetch(`${service.url}/line`, { headers: { ...headers, connection: 'close' } })).text() }))
  }
  service.command.kill('SIGTERM')
  t.equal(await service.command.ended, 0)
  const lines = service.command.stdout.trim().split('\n').map(line => JSON.parse(line) as { req?: object, pid: number })
  t.equal(lines.filter(({ req }) => req !== undefined).length, 1_000)
  t.ok(new Set(lines.map(({ pid }) => pid)).size >= 3)
})
