import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { echoBackend } from '../../helpers/backends.js'
import { startBuilt } from '../../helpers/built-service.js'
import { isAlive, startCommand } from '../../helpers/command.js'
import { CLI } from '../../helpers/outputs.js'
import { closed, openSocket } from '../../helpers/sockets.js'
import { load, pidsOf, routesTo, runSluice, startWorkers, untilWorkers } from '../../helpers/workers.js'

// Issue 12: workers of the built service that end, stand still, or cannot be started.

t.setTimeout(300_000)

t.test('a worker that is killed under load: the other one serves on, and another takes its place', async t => {
  const service = await startWorkers(t)
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
  const service = await startWorkers(t, { drainTimeout: 500 })
  const [first, second] = await pidsOf(service)
  process.kill(first!, 'SIGSTOP')
  t.teardown(() => { if (isAlive(first!)) process.kill(first!, 'SIGCONT') })
  t.match(await service.api('GET', '/api/sessions'), { status: 200 })
  t.match(await service.api('GET', '/api/upstreams'), { status: 200, body: { upstreams: [{ name: 'app' }] } })
  t.equal((await service.metrics()).value('sluice_workers', { state: 'serving' }), 2)
  await untilWorkers(service, workers => workers.length === 2)
  t.match(await runSluice(service, t, 'restart'), { code: 0 })
  t.notOk(isAlive(first!))
  t.notOk(isAlive(second!))
  t.match(service.command.stdout, /worker 1 \(process \d+\) has not left within \d+ ms, and is killed/)

  const [another] = await pidsOf(service)
  process.kill(another!, 'SIGSTOP')
  t.match(await runSluice(service, t, 'reload'), { code: 1, text: /worker 1 \(process \d+\) has not responded within \d+ ms, and is killed/ })
  await untilWorkers(service, workers => workers.length === 2 && workers.every(({ pid, state }) => pid !== another && state === 'serving'))
  t.match(await runSluice(service, t, 'reload'), { code: 0 })
})

t.test('a worker that gets SIGTERM, or fails, ends its sessions and is replaced', async t => {
  const fail = "export default async app => { app.get('/fail', request => { setImmediate(() => { throw new Error('a fault of a plugin') }); return 'soon' }) }"
  const service = await startWorkers(t, { workers: 1 }, { args: ['--routes', 'routes'], files: { 'routes/fail.js': fail } })
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
  const service = await startWorkers(t, { drainTimeout: 60_000 })
  const socket = await openSocket(service.url)
  // It does not respond to the Close.
  socket.pause()
  service.command.kill('SIGTERM')
  await service.command.output(/SIGTERM received, stopping/)
  service.command.kill('SIGTERM')
  // A worker that is left would hold the output open.
  t.equal(await service.command.ended, 1)
  socket.terminate()

  const killed = await startWorkers(t)
  const end = openSocket(killed.url).then(socket => closed(socket).then(({ code }) => code))
  await untilWorkers(killed, workers => workers.some(({ sessions }) => sessions === 1))
  killed.command.kill('SIGKILL')
  t.equal(await end, 1012, 'its workers end their sessions')
  t.equal(await killed.command.ended, 'SIGKILL')
})

t.test('what cannot be started says why once, and leaves nothing', async t => {
  const folder = (await startWorkers(t)).folder
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
