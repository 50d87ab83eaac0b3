import { EventEmitter, on, once } from 'node:events'
import { Agent, get } from 'node:http'
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { echoBackend } from '../helpers/backends.js'
import { startBuilt, type BuiltService } from '../helpers/built-service.js'
import { isAlive, startCommand } from '../helpers/command.js'
import type { Samples } from '../helpers/metrics.js'
import { CLI } from '../helpers/outputs.js'
import { refusingPort } from '../helpers/raw-target.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * Issue 12: the built service with workers, as an operator has it.
 */

t.setTimeout(600_000)

interface WorkerRow { id: number, pid: number, state: string, sessions: number }

const routesTo = (target: string) => ({
  upstreams: { app: { targets: [target] } },
  routes: [{ url: '/*', upstream: 'app', websocket: true }]
})

async function start (t: Test, config: object = {}, options: Parameters<typeof startBuilt>[2] = {}): Promise<BuiltService> {
  const { url } = await echoBackend(t)
  return await startBuilt(t, { workers: 2, drainTimeout: 5_000, ...routesTo(url), ...config }, { ...options, args: ['--pid-file', 'pid', ...options.args ?? []] })
}

async function workersOf ({ api }: BuiltService): Promise<WorkerRow[]> {
  const { body } = await api('GET', '/api')
  return body.workers as WorkerRow[]
}

/** The ids of the processes, by the number of the worker. */
async function pidsOf (service: BuiltService): Promise<number[]> {
  return (await workersOf(service)).filter(({ state }) => state === 'serving').sort((one, other) => one.id - other.id).map(({ pid }) => pid)
}

/** Follows the status page's feed until the workers are as they should be. */
async function untilWorkers ({ admin }: BuiltService, areThere: (workers: WorkerRow[]) => boolean): Promise<WorkerRow[]> {
  const feed = new WebSocket(`${admin.replace('http', 'ws')}/api/feed`)
  try {
    for await (const [data] of on(feed, 'message') as AsyncIterable<[Buffer]>) {
      const { type, workers } = JSON.parse(data.toString()) as { type: string, workers: WorkerRow[] }
      if (type === 'tick' && areThere(workers)) return workers
    }
    throw new Error('the feed has ended')
  } finally {
    feed.terminate()
  }
}

/** Runs the command in the folder of the service, and gives its exit code and what it wrote. */
async function sluice ({ folder }: { folder: string }, t: Test, ...args: string[]): Promise<{ code: unknown, text: string }> {
  const command = startCommand(t, process.execPath, [CLI, ...args, '--pid-file', 'pid'], { cwd: folder })
  return { code: await command.ended, text: command.stdout + command.stderr }
}

interface Load {
  /** Resolves when so many more have been responded to. */
  served (count: number): Promise<void>
  stop (): Promise<{ sent: number, failures: string[] }>
}

/**
 * Sends requests, so many a second, on connections that are kept alive and on new ones, until it is stopped. As every
 * client does, it sends one again whose connection was kept alive and closed by then (RFC 9112 §9.3.1).
 */
function load (url: string, perSecond: number): Load {
  const agents = [new Agent({ keepAlive: true, maxSockets: 20 }), new Agent({ keepAlive: false })]
  const failures: string[] = []
  const pending = new Set<Promise<void>>()
  const responses = new EventEmitter()
  let sent = 0
  const timer = setInterval(() => {
    const agent = agents[sent++ % 2]!
    const one = new Promise<void>(resolve => {
      const send = (): void => {
        const request = get(url, { agent, timeout: 20_000 }, response => {
          if (response.statusCode !== 200) failures.push(`${response.statusCode}`)
          response.resume().once('close', resolve)
        }).on('timeout', () => request.destroy(new Error('no response'))).on('error', (error: NodeJS.ErrnoException) => {
          if (request.reusedSocket) return send()
          failures.push(error.code ?? error.message)
          resolve()
        })
      }
      send()
    })
    pending.add(one)
    one.finally(() => {
      pending.delete(one)
      responses.emit('response')
    })
  }, 1_000 / perSecond)
  return {
    served: async count => {
      for (let index = 0; index < count; index++) await once(responses, 'response')
    },
    stop: async () => {
      clearInterval(timer)
      await Promise.all(pending)
      for (const agent of agents) agent.destroy()
      return { sent, failures }
    }
  }
}

t.test('two workers serve requests and sessions, and the admin listener shows them as one', async t => {
  const service = await start(t)
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
  const service = await start(t)
  for (let index = 0; index < 20; index++) await (await fetch(service.url)).text()
  const served = { method: 'GET', route: '/*', status: '2xx', upstream: 'app' }
  const requests = (samples: Samples): number | undefined => samples.value('sluice_requests_total', served)
  const before = await service.until(samples => requests(samples) === 20)
  t.equal(before.value('sluice_workers', { state: 'serving' }), 2)
  t.equal(before.value('sluice_config_last_reload_successful', {}), 1)
  t.equal(before.text.match(/^sluice_target_up\{/gm)?.length, 1)
  t.match(await sluice(service, t, 'restart'), { code: 0, text: '2 worker(s) restarted.\n' })
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

t.test('restart under 200 requests a second and 300 sessions: none is refused or lost, each session gets 1012', async t => {
  const service = await start(t)
  const before = await pidsOf(service)
  const codes: number[] = []
  const sockets = new Set<WebSocket>()
  let refused = 0
  let stopped = false
  // As clients do that want to stay connected.
  const connect = (): Promise<void> => new Promise(resolve => {
    const socket = new WebSocket(service.url.replace('http', 'ws'))
    sockets.add(socket)
    socket.once('open', resolve)
    socket.on('error', () => { refused++ })
    socket.once('close', code => {
      sockets.delete(socket)
      if (stopped) return
      codes.push(code)
      connect().catch(() => {})
    })
  })
  await Promise.all(Array.from({ length: 300 }, connect))
  const requests = load(`${service.url}/page`, 200)
  await requests.served(50)
  t.match(await sluice(service, t, 'restart'), { code: 0 })
  await requests.served(50)
  const { sent, failures } = await requests.stop()
  t.ok(sent > 100, `${sent} requests`)
  t.same(failures, [])
  t.equal(refused, 0, 'no handshake is refused')
  t.ok(codes.length >= 300, `${codes.length} ends`)
  t.same([...new Set(codes)], [1012])
  const after = await pidsOf(service)
  t.equal(after.length, 2)
  t.notOk(after.some(pid => before.includes(pid)), 'new processes')
  for (const pid of before) t.notOk(isAlive(pid))
  await untilWorkers(service, workers => workers.reduce((sum, { sessions }) => sum + sessions, 0) === 300)
  stopped = true
  for (const socket of sockets) socket.terminate()
})

t.test('restart --keep-sessions: a session goes on in the old worker, which ends with its last one', async t => {
  const service = await start(t)
  const [before] = await pidsOf(service)
  const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocket(service.url)))
  t.match(await sluice(service, t, 'restart', '--keep-sessions'), { code: 0 })
  t.ok((await workersOf(service)).some(({ state }) => state === 'leaving'))
  t.equal((await pidsOf(service)).length, 2)
  for (const socket of sockets) {
    const echo = nextMessage(socket)
    socket.send('still here')
    t.equal(await echo, 'still here')
  }
  t.match((await service.api('GET', '/api/sessions')).body, { total: 20 }, 'they can still be seen')
  for (const socket of sockets) socket.close()
  await untilWorkers(service, workers => workers.every(({ state }) => state === 'serving'))
  t.notOk(isAlive(before!))
})

t.test('sessions that were kept end with the service', async t => {
  const service = await start(t)
  const socket = await openSocket(service.url)
  const pids = await pidsOf(service)
  t.match(await sluice(service, t, 'restart', '--keep-sessions'), { code: 0 })
  const end = closed(socket)
  service.command.kill('SIGTERM')
  t.equal((await end).code, 1012)
  t.equal(await service.command.ended, 0)
  t.notOk(pids.some(isAlive))
})

t.test('restart takes new code; where it does not start, the workers that serve go on', async t => {
  const plugin = (body: string): string => `export default async app => { app.get('/code', () => '${body}') }`
  const service = await start(t, {}, { args: ['--routes', 'routes'], files: { 'routes/code.js': plugin('old') } })
  const code = async (): Promise<string> => await (await fetch(`${service.url}/code`)).text()
  t.equal(await code(), 'old')
  await writeFile(join(service.folder, 'routes/code.js'), plugin('new'))
  t.match(await sluice(service, t, 'restart'), { code: 0 })
  t.equal(await code(), 'new')
  const before = await pidsOf(service)
  await writeFile(join(service.folder, 'routes/code.js'), "export default async () => { throw Object.assign(new Error('no such module'), { code: 'FST_TEST' }) }")
  t.match(await sluice(service, t, 'restart'), { code: 1, text: /^sluice: .*code\.js:1:\d+: no such module/m })
  t.same(await pidsOf(service), before)
  t.equal(await code(), 'new')
})

t.test('restart takes the code to which the link leads by which the service was started', async t => {
  const folder = await temporaryFolder(t)
  const root = fileURLToPath(new URL('../../', import.meta.url))
  for (const version of ['v1', 'v2']) {
    await cp(join(root, 'dist'), join(folder, version, 'dist'), { recursive: true })
    await cp(join(root, 'package.json'), join(folder, version, 'package.json'))
    await symlink(join(root, 'node_modules'), join(folder, version, 'node_modules'))
  }
  const changed = join(folder, 'v2/dist/src/service/running-gateway.js')
  await writeFile(changed, (await readFile(changed, 'utf8')).replace('listening at ${urls.join', 'of v2 listening at ${urls.join'))
  const link = join(folder, 'current')
  await symlink('v1', link)
  const { url } = await echoBackend(t)
  const command = startCommand(t, process.execPath, [join(link, 'dist/src/service/cli.js'), url, '--workers', '1', '--port', '0', '--pid-file', 'pid'], { cwd: folder })
  await command.output(/Server listening at/)
  await rm(link)
  await symlink('v2', link)
  t.match(await sluice({ folder }, t, 'restart'), { code: 0 })
  t.match(command.stdout, /worker 1 of v2 listening at/)
})

t.test('reload: all workers have it, a wrong configuration changes nothing, and the number of workers follows', async t => {
  const service = await start(t)
  const { url: other } = await echoBackend(t)
  const before = await pidsOf(service)
  await service.write({ workers: 2, upstreams: {}, routes: [{ url: '/*', upstream: 'nobody' }] })
  t.match(await sluice(service, t, 'reload'), { code: 1, text: /^sluice: .*sluice\.yaml:\d+:\d+: routes\.0\.upstream: upstream 'nobody' is not declared/m })
  t.equal((await fetch(service.url)).status, 200)
  await service.write({ workers: 3, ...routesTo(other), routes: [{ url: '/new', upstream: 'app' }] })
  t.match(await sluice(service, t, 'reload'), { code: 0, text: /1 route\(s\) added, 1 route\(s\) removed/ })
  for (let index = 0; index < 12; index++) {
    t.equal((await fetch(`${service.url}/new`, { headers: { connection: 'close' } })).status, 200)
    t.equal((await fetch(`${service.url}/old`, { headers: { connection: 'close' } })).status, 404)
  }
  t.match(await pidsOf(service), [before[0], before[1], Number])
  await service.write({ workers: 1, ...routesTo(other) })
  t.match(await service.api('POST', '/api/reload'), { status: 200 })
  t.same(await pidsOf(service), [before[0]])
  t.match((await service.metrics()).value('sluice_config_reloads_total', { result: 'success' }), 2)
})

t.test('a worker that is killed under load: the other one serves on, and another takes its place', async t => {
  const service = await start(t)
  const before = await pidsOf(service)
  const sockets = await Promise.all(Array.from({ length: 40 }, () => openSocket(service.url)))
  const ends = sockets.map(async socket => (await closed(socket)).code)
  const requests = load(service.url, 100)
  await requests.served(30)
  process.kill(before[0]!, 'SIGKILL')
  const after = await untilWorkers(service, workers => workers.length === 2 && workers.every(({ pid, state }) => pid !== before[0] && state === 'serving'))
  t.ok(after.some(({ pid }) => pid === before[1]))
  const { failures } = await requests.stop()
  // What it had under way is lost with it; nothing is refused.
  t.same(failures.filter(failure => failure !== 'ECONNRESET'), [])
  t.ok(failures.length <= 20, `${failures.length} requests were lost`)
  for (const socket of sockets) socket.terminate()
  t.ok((await Promise.all(ends)).every(code => code === 1006))
  t.match(service.command.stdout, /worker 1 \(process \d+\) has ended unexpectedly: SIGKILL/)
  t.match(service.command.stdout, /worker 1 serves again/)
})

t.test('a worker that stands still holds up neither the admin listener, nor a reload, nor a restart', async t => {
  const service = await start(t, { drainTimeout: 500 })
  const [first, second] = await pidsOf(service)
  process.kill(first!, 'SIGSTOP')
  t.teardown(() => { if (isAlive(first!)) process.kill(first!, 'SIGCONT') })
  t.match(await service.api('GET', '/api/sessions'), { status: 200 })
  t.match(await service.api('GET', '/api/upstreams'), { status: 200, body: { upstreams: [{ name: 'app' }] } })
  t.equal((await service.metrics()).value('sluice_workers', { state: 'serving' }), 2)
  await untilWorkers(service, workers => workers.length === 2)
  t.match(await sluice(service, t, 'restart'), { code: 0 })
  t.notOk(isAlive(first!))
  t.notOk(isAlive(second!))
  t.match(service.command.stdout, /worker 1 \(process \d+\) has not left within \d+ ms, and is killed/)

  const [another] = await pidsOf(service)
  process.kill(another!, 'SIGSTOP')
  t.match(await sluice(service, t, 'reload'), { code: 1, text: /worker 1 \(process \d+\) has not responded within \d+ ms, and is killed/ })
  await untilWorkers(service, workers => workers.length === 2 && workers.every(({ pid, state }) => pid !== another && state === 'serving'))
  t.match(await sluice(service, t, 'reload'), { code: 0 })
})

t.test('a worker that gets SIGTERM, or fails, ends its sessions and is replaced', async t => {
  const fail = "export default async app => { app.get('/fail', request => { setImmediate(() => { throw new Error('a fault of a plugin') }); return 'soon' }) }"
  const service = await start(t, { workers: 1 }, { args: ['--routes', 'routes'], files: { 'routes/fail.js': fail } })
  const [first] = await pidsOf(service)
  let socket = await openSocket(service.url)
  let end = closed(socket)
  process.kill(first!, 'SIGTERM')
  t.equal((await end).code, 1012)
  await untilWorkers(service, workers => workers.length === 1 && workers[0]!.pid !== first && workers[0]!.state === 'serving')
  t.match(service.command.stdout, /worker 1: SIGTERM received, leaving/)

  socket = await openSocket(service.url)
  end = closed(socket)
  await (await fetch(`${service.url}/fail`)).text()
  t.equal((await end).code, 1012)
  t.equal((await service.until(samples => samples.value('sluice_worker_failures_total', {}) === 1)).value('sluice_worker_failures_total', {}), 1)
  await untilWorkers(service, workers => workers.length === 1 && workers[0]!.state === 'serving')
  t.equal((await fetch(service.url)).status, 200)
  t.match(service.command.stdout, /"worker 1: uncaught error, leaving"/)
})

t.test('workers that end again and again are started after longer and longer waits', async t => {
  const crash = "export default async app => { app.addHook('onListen', async () => { if (process.env.FINE === undefined) setImmediate(() => process.abort()) }) }"
  const { url } = await echoBackend(t)
  const service = await startBuilt(t, { workers: 1, ...routesTo(url) }, { args: ['--plugins', 'plugins'], files: { 'plugins/crash.js': crash } })
  await service.command.output(/worker 1 is started again in 500 ms/)
  await service.command.output(/worker 1 is started again in 1000 ms/)
  await writeFile(join(service.folder, 'plugins/crash.js'), 'export default async () => {}')
  await service.command.output(/worker 1 is started again in 1000 ms[^]*worker 1 serves again/)
  t.equal((await fetch(`${service.admin}/readyz`)).status, 200)
})

t.test('no worker is left behind when the service is stopped twice, or killed', async t => {
  const service = await start(t, { drainTimeout: 60_000 })
  const socket = await openSocket(service.url)
  // It does not respond to the Close.
  socket.pause()
  service.command.kill('SIGTERM')
  await service.command.output(/SIGTERM received, stopping/)
  service.command.kill('SIGTERM')
  // A worker that is left would hold the output open.
  t.equal(await service.command.ended, 1)
  socket.terminate()

  const killed = await start(t)
  const end = openSocket(killed.url).then(socket => closed(socket).then(({ code }) => code))
  await untilWorkers(killed, workers => workers.some(({ sessions }) => sessions === 1))
  killed.command.kill('SIGKILL')
  t.equal(await end, 1012, 'its workers end their sessions')
  t.equal(await killed.command.ended, 'SIGKILL')
})

t.test('what cannot be started says why once, and leaves nothing', async t => {
  const folder = (await start(t)).folder
  const { port } = new URL((await echoBackend(t)).url)
  for (const [args, text, code] of [
    [['http://127.0.0.1:1', '--workers', '2', '--port', port], /^sluice: Cannot listen: port \d+ of 127\.0\.0\.1 is taken\. Stop what listens there/, 1],
    [['http://127.0.0.1:1', '--workers', 'many'], /^sluice: Option '--workers' must be an integer from 1 to 1024, or auto, got 'many'/, 2],
    [['http://127.0.0.1:1', '--workers', '0'], /^sluice: Option '--workers' must be/, 2],
    [['restart', '--workers', '2'], /^sluice: 'sluice restart' takes no option '--workers'/, 2],
    [['--keep-sessions'], /^sluice: Option '--keep-sessions' belongs to 'sluice restart'/, 2]
  ] as const) {
    const command = startCommand(t, process.execPath, [CLI, ...args], { cwd: folder })
    t.equal(await command.ended, code, args.join(' '))
    t.match(command.stderr, text)
    t.equal(command.stderr.split('sluice: Cannot').length <= 2, true)
  }
})

t.test('restart of a single process says what it needs', async t => {
  const service = await start(t, { workers: undefined })
  t.match(await sluice(service, t, 'restart'), { code: 1, text: /single process, which cannot replace itself\. Start it with --workers/ })
})

t.test('--workers auto, and WORKERS', async t => {
  const auto = await start(t, { workers: undefined }, { args: ['--workers', 'auto'] })
  t.ok((await pidsOf(auto)).length >= 1)
  const one = await start(t, { workers: undefined }, { environment: { WORKERS: '1' } })
  t.equal((await pidsOf(one)).length, 1)
})

t.test('a target that is drained is drained in all workers, and in those that are started later', async t => {
  const first = await echoBackend(t)
  const second = await echoBackend(t)
  const service = await start(t, { upstreams: { app: { targets: [first.url, second.url] } } })
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
  t.match(await sluice(service, t, 'restart'), { code: 0 })
  const { body } = await service.api('GET', '/api/upstreams/app')
  t.match(body.targets, [{ url: first.url, state: 'drain' }, { url: second.url, state: 'ready' }])
  await served()
  t.equal(connections, 0)
  t.match(await service.api('PATCH', '/api/upstreams/app/targets', { url: `http://127.0.0.1:${await refusingPort()}`, state: 'drain' }), { status: 404 })
})

t.test('a sticky client comes to its target whichever worker it comes to', async t => {
  const backends = await Promise.all([1, 2, 3].map(() => echoBackend(t)))
  const service = await start(t, { upstreams: { app: { targets: backends.map(({ url }) => url), sticky: true } } })
  const counts = backends.map(() => 0)
  for (const [index, { server }] of backends.entries()) server.on('request', () => { counts[index]!++ })
  const first = await fetch(service.url, { headers: { connection: 'close' } })
  await first.text()
  const cookie = first.headers.getSetCookie()[0]!.split(';', 1)[0]!
  for (let index = 0; index < 20; index++) await (await fetch(service.url, { headers: { cookie, connection: 'close' } })).text()
  t.same(counts.sort((one, other) => one - other), [0, 0, 21])
})

t.test('lines of several workers stay whole', async t => {
  const service = await start(t, { accessLog: { requestHeaders: ['x-filler'] } })
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
