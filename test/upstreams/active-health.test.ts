import { once } from 'node:events'
import { createServer as createSecure } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { TargetChange, UpstreamOptions } from '../../src/index.js'
import { echoBackend, gatewayApp, httpBackend } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { startGateway, type RunningGateway } from '../helpers/gateway.js'
import { rawTarget } from '../helpers/raw-target.js'
import { closed, openSocket, refusal } from '../helpers/sockets.js'
import { createGateway } from '../../src/service/index.js'
import type { FastifyInstance } from 'fastify'

const FAST = { interval: 20, timeout: 200 }

const statusOf = (gateway: RunningGateway) => gateway.app.gateway.upstreams.get('main')!.targets

/** The first change of a target, or a later one: what the log says of it. */
async function change ({ app, log }: RunningGateway, number = 1): Promise<Record<string, unknown>> {
  for (;;) {
    const changes = log.filter(({ msg }) => msg === 'target changed')
    if (changes.length >= number) return changes[number - 1]!
    await new Promise<void>(resolve => {
      const stop = app.gateway.upstreams.onChange(() => {
        stop()
        resolve()
      })
    })
  }
}

/** A backend that can be made ill, and counts its checks. */
async function patient (t: Parameters<typeof httpBackend>[0]) {
  const seen: Array<{ url: string, headers: Record<string, unknown> }> = []
  const state = { status: 200, onCheck: () => {} }
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/health?x=1') {
      seen.push({ url: request.url, headers: request.headers })
      response.writeHead(state.status).end('some body')
      state.onCheck()
    } else {
      response.end()
    }
  })
  return { ...backend, state, seen }
}

t.test('a target whose checks fail is down, and up again when they pass', async t => {
  const [good, ill] = [await patient(t), await patient(t)]
  ill.state.status = 404
  const gateway = await startGateway(t, {
    targets: [good.url, ill.url],
    upstream: { health: { path: '/health?x=1', ...FAST, host: 'app.example', headers: { 'X-Check': 'yes' } } }
  })
  const down = await change(gateway)
  t.match(down, { target: ill.url, health: 'down', before: { health: 'healthy' }, reason: '2 checks failed in a row, the last one: the check got status 404' })
  t.match(ill.seen[0], { url: '/health?x=1', headers: { host: 'app.example', 'x-check': 'yes', 'user-agent': 'sluice', connection: 'close' } })
  for (let count = 0; count < 6; count++) t.equal((await fetch(`http://127.0.0.1:${gateway.port}`)).status, 200)
  t.match(statusOf(gateway), [{ health: 'healthy' }, { health: 'down', failures: 0 }])
  ill.state.status = 302
  t.match(await change(gateway, 2), { target: ill.url, health: 'healthy', reason: '2 checks passed in a row' })
  await gateway.app.close()
  const checks = good.seen.length
  const other = await patient(t)
  const five = new Promise<void>(resolve => { other.state.onCheck = () => { if (other.seen.length === 5) resolve() } })
  await startGateway(t, { targets: [other.url], upstream: { health: { path: '/health?x=1', ...FAST } } })
  await five
  t.ok(good.seen.length <= checks + 1, 'none is made any more, but one that was on its way, while another gateway makes five')
})

t.test('one failed check changes nothing; it is repeated at once', async t => {
  const flaky = await patient(t)
  const gateway = await startGateway(t, { targets: [flaky.url], upstream: { health: { path: '/health?x=1', interval: 100_000, timeout: 500, fall: 3 } } })
  // Were it not repeated quickly, the second one would come after a minute.
  let failed = 0
  flaky.state.status = 500
  const third = new Promise<void>(resolve => { flaky.state.onCheck = () => { if (++failed === 2) { flaky.state.status = 200 } else if (failed === 3) resolve() } })
  await third
  t.match(statusOf(gateway), [{ health: 'healthy', reason: undefined }])
  t.notOk(gateway.log.some(({ msg }) => msg === 'target changed'))
})

t.test('what counts as a pass', async t => {
  for (const [statuses, status, health] of [[[200], 204, 'down'], [[204], 204, 'healthy'], [['200-299', 404], 404, 'healthy'], [undefined, 399, 'healthy'], [undefined, 400, 'down']] as const) {
    const one = await patient(t)
    one.state.status = status
    const checked = new Promise<void>(resolve => { one.state.onCheck = () => { if (one.seen.length === 4) resolve() } })
    const gateway = await startGateway(t, { targets: [one.url], upstream: { health: { path: '/health?x=1', ...FAST, ...statuses !== undefined && { statuses: [...statuses] } } } })
    await checked
    t.match(statusOf(gateway), [{ health }], `${status} of ${String(statuses)}`)
  }
})

t.test('a connection is enough where it is to be; a name that does not resolve is down', async t => {
  const silent = await rawTarget(t)
  const gateway = await startGateway(t, {
    targets: [silent.url, 'http://does-not-exist.invalid:80'],
    upstream: { health: { tcp: true, ...FAST, timeout: 2_000 } }
  })
  t.match(await change(gateway), { target: 'http://does-not-exist.invalid', health: 'down', reason: /ENOTFOUND|EAI_AGAIN/ })
  t.match(statusOf(gateway)[0], { health: 'healthy' })
})

t.test('a check that hangs is given up', async t => {
  const silent = await rawTarget(t)
  for (const health of [{ path: '/' }, { websocket: true as const }]) {
    const gateway = await startGateway(t, { targets: [silent.url], upstream: { health: { ...health, interval: 20, timeout: 30 } } })
    t.match(await change(gateway), { health: 'down', reason: '2 checks failed in a row, the last one: no result within 30 ms' })
    await gateway.app.close()
  }
  const garbage = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [garbage.url], upstream: { health: { path: '/', ...FAST, fall: 1 } } })
  const wire = await garbage.next()
  wire.write('garbage\r\n\r\n')
  t.match(await change(gateway), { health: 'down', reason: /^1 check failed in a row, the last one: Parse Error/ })
  await gateway.app.close()
})

t.test('a WebSocket is opened, and closed with 1000', async t => {
  const closes: Array<Promise<unknown>> = []
  const backend = await echoBackend(t, socket => { closes.push(closed(socket)) })
  const refusing = await httpBackend(t, (_request, response) => response.end())
  const gateway = await startGateway(t, { targets: [backend.url, refusing.url], upstream: { health: { websocket: true, path: '/chat', ...FAST } } })
  t.match(await change(gateway), { target: refusing.url, health: 'down', reason: '2 checks failed in a row, the last one: the handshake was refused with 200' })
  t.same(await closes[0], { code: 1000, reason: '' })
  t.match(statusOf(gateway)[0], { health: 'healthy', sessions: 0, handshakes: 0 })
})

t.test('over TLS, and at another port', async t => {
  const { cert, key } = await selfSigned(t, 'IP:127.0.0.1')
  const server = createSecure({ cert, key }, (_request, response) => response.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => new Promise(resolve => server.close(resolve)))
  const { port } = server.address() as AddressInfo
  const checks: Array<[UpstreamOptions, string]> = [
    [{ targets: [`https://127.0.0.1:${port}`], tls: { ca: cert } }, 'healthy'],
    [{ targets: ['https://127.0.0.1:1'], tls: { ca: cert }, health: { path: '/', ...FAST, port } }, 'healthy'],
    [{ targets: [`https://127.0.0.1:${port}`] }, 'down']
  ]
  for (const [{ targets, ...upstream }, health] of checks) {
    const gateway = await startGateway(t, { targets, upstream: { health: { path: '/', ...FAST }, ...upstream } })
    if (health === 'down') t.match(await change(gateway), { health, reason: /self-signed certificate/ })
    else for (let count = 0; count < 4; count++) await once(server, 'request')
    t.match(statusOf(gateway), [{ health }])
    await gateway.app.close()
  }
})

t.test('none left: all are used, or none', async t => {
  const ill = await patient(t)
  ill.state.status = 503
  for (const [whenNoneHealthy, status] of [['use-all', 200], ['refuse', 503]] as const) {
    const gateway = await startGateway(t, { targets: [ill.url], upstream: { whenNoneHealthy, health: { path: '/health?x=1', ...FAST } } })
    await change(gateway)
    const response = await fetch(`http://127.0.0.1:${gateway.port}`)
    t.equal(response.status, status)
    if (status === 503) {
      t.match(await response.json(), { code: 'SLUICE_NO_TARGET' })
      t.equal(response.headers.get('retry-after'), '1')
      t.match(await refusal(`http://127.0.0.1:${gateway.port}`), { status: 503, headers: { 'retry-after': '1' } })
    }
    await gateway.app.close()
  }
})

t.test('passed checks end an ejection', async t => {
  const [good, ill] = [await patient(t), await patient(t)]
  const gateway = await startGateway(t, {
    targets: [good.url, ill.url],
    upstream: { health: { path: '/health?x=1', ...FAST }, passiveHealth: { failures: 1, statuses: [500], ejectFor: 100_000 } }
  })
  ill.server.prependListener('request', (request, response) => { if (request.url === '/') response.writeHead(500).end() })
  await fetch(`http://127.0.0.1:${gateway.port}`)
  await fetch(`http://127.0.0.1:${gateway.port}`)
  t.match(await change(gateway), { health: 'ejected' })
  t.match(await change(gateway, 2), { target: ill.url, health: 'healthy', reason: '2 checks passed in a row' })
})

t.test('sessions of a target that is down, a target that is added, one that is removed', async t => {
  const [one, two] = [await echoBackend(t), await echoBackend(t)]
  const gateway = await startGateway(t, { targets: [one.url], upstream: { health: { tcp: true, ...FAST } }, route: { websocket: { onUnhealthy: 'close' } } })
  const socket = await openSocket(`http://127.0.0.1:${gateway.port}`)
  const end = closed(socket)
  // Only the session's connection is left.
  one.server.close()
  t.same(await end, { code: 1012, reason: '' })
  await gateway.ended()
  t.match(gateway.ends, [{ reason: 'unhealthy' }])
  const upstream = gateway.app.gateway.upstreams.get('main')!
  upstream.setTargets([two.url])
  await once(two.server, 'connection')
  upstream.setTargets([one.url])
  t.match(await change(gateway, 2), { target: one.url, health: 'down' })
})

t.test('what is wrong with the options is said at once', async t => {
  const app = await gatewayApp(t)
  const cases: Array<[object, RegExp]> = [
    [{}, /Upstream 'a': option 'health': it does not say what to check; add one of 'path: \/health', 'tcp: true' and 'websocket: true'/],
    [{ tcp: true, path: '/' }, /'tcp' checks a connection alone; remove it, or remove 'path' and 'websocket'/],
    [{ path: 'health' }, /option 'health.path': must begin with \/ and consist of printable .*, got "health"/],
    [{ path: '/a b' }, /option 'health.path': must begin with \//],
    [{ path: '/', headers: { 'bad name': 'x' } }, /option 'health.headers': 'bad name' is not a valid header/],
    [{ path: '/', headers: { name: 'a\r\nb' } }, /option 'health.headers': 'name' is not a valid header/],
    [{ path: '/', host: 'a b' }, /option 'health.host': 'a b' is not a valid host and port/],
    [{ path: '/', interval: -1 }, /option 'health.interval': must be an integer of at least 1, got -1/],
    [{ path: '/', statuses: ['400-200'] }, /option 'health.statuses': the range '400-200' is empty; write '200-400'/],
    [{ paht: '/' }, /there is no such option; did you mean 'path'\?/]
  ]
  for (const [health, message] of cases) t.throws(() => app.upstream('a', { targets: ['http://127.0.0.1:1'], health }), { code: 'SLUICE_OPTIONS_INVALID', message })
  for (const [options, message] of [
    [{ balance: 'fastest' }, /option 'balance': must be one of|option 'balance'/],
    [{ targets: [{ url: 'http://127.0.0.1:1', weight: -1 }] }, /weight': must be an integer of at least 1, got -1/],
    [{ sticky: { secret: 'short' } }, /option 'sticky.secret': must be a string with a length of at least 16/]
  ] as Array<[object, RegExp]>) t.throws(() => app.upstream('a', { targets: ['http://127.0.0.1:1'], ...options }), { code: 'SLUICE_OPTIONS_INVALID', message })
})

t.test('after a reload, only the new configuration checks, hears of changes, and says what is down', async t => {
  const one = await patient(t)
  one.state.status = 500
  const held = await rawTarget(t)
  const heard: number[] = []
  let generations = 0
  const gateway = await createGateway({
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: { app: { targets: [one.url], health: { path: '/health?x=1', ...FAST } }, held: { targets: [held.url] } },
    routes: [{ url: '/held', upstream: 'held' }, { url: '/*', upstream: 'app' }]
  }, {
    logger: false,
    setup: (app: FastifyInstance) => {
      const generation = generations++
      app.gateway.upstreams.onChange(() => heard.push(generation))
    }
  })
  t.teardown(() => gateway.close())
  const url = await gateway.listen()
  const upstream = () => gateway.upstreams.get('app')!
  const nextChange = () => new Promise<TargetChange>(resolve => { gateway.app.gateway.upstreams.onChange(resolve) })
  if (upstream().targets[0]!.health !== 'down') await nextChange()
  // It keeps its generation.
  const pending = fetch(`${url}/held`)
  const wire = await held.next()
  await wire.head()
  const { config } = gateway
  await gateway.reload({ ...config, upstreams: { ...config.upstreams, app: { targets: [one.url] } } })
  t.match(upstream().targets, [{ health: 'healthy', reason: 'it is not checked any more' }])
  const checks = one.seen.length
  const two = await patient(t)
  const five = new Promise<void>(resolve => { two.state.onCheck = () => { if (two.seen.length === 5) resolve() } })
  await gateway.reload({ ...gateway.config, upstreams: { ...gateway.config.upstreams, app: { targets: [two.url], health: { path: '/health?x=1', ...FAST } } } })
  await five
  t.ok(one.seen.length <= checks + 1, 'the first generation, which is still there, makes no checks')
  wire.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal((await pending).status, 200)
  while (heard.length > 0) heard.pop()
  // The first and the second generation close behind their last requests.
  await gateway.reload({ ...gateway.config })
  await gateway.reload({ ...gateway.config })
  heard.length = 0
  upstream().setTarget(two.url, { state: 'drain' })
  t.ok(heard.includes(generations - 1))
  t.notOk(heard.includes(0), 'what a generation that has ended had asked for is gone')
})
