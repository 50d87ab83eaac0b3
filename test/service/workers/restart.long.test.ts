import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { WebSocket } from 'ws'
import { echoBackend } from '../../helpers/backends.js'
import { isAlive, startCommand } from '../../helpers/command.js'
import { closed, nextMessage, openSocket } from '../../helpers/sockets.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'
import { load, pidsOf, routesTo, runSluice, startWorkers, untilWorkers, workersOf } from '../../helpers/workers.js'

// Issue 12: restart and reload of the built service with workers, as an operator has it.

t.setTimeout(300_000)

t.test('restart under 200 requests a second and 300 sessions: none is refused or lost, each session gets 1012', async t => {
  const service = await startWorkers(t)
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
  t.match(await runSluice(service, t, 'restart'), { code: 0 })
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
  const service = await startWorkers(t)
  const [before] = await pidsOf(service)
  const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocket(service.url)))
  t.match(await runSluice(service, t, 'restart', '--keep-sessions'), { code: 0 })
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
  const service = await startWorkers(t)
  const socket = await openSocket(service.url)
  const pids = await pidsOf(service)
  t.match(await runSluice(service, t, 'restart', '--keep-sessions'), { code: 0 })
  const end = closed(socket)
  service.command.kill('SIGTERM')
  t.equal((await end).code, 1012)
  t.equal(await service.command.ended, 0)
  t.notOk(pids.some(isAlive))
})

t.test('restart takes new code; where it does not start, the workers that serve go on', async t => {
  const plugin = (body: string): string => `export default async app => { app.get('/code', () => '${body}') }`
  const service = await startWorkers(t, {}, { args: ['--routes', 'routes'], files: { 'routes/code.js': plugin('old') } })
  const code = async (): Promise<string> => await (await fetch(`${service.url}/code`)).text()
  t.equal(await code(), 'old')
  await writeFile(join(service.folder, 'routes/code.js'), plugin('new'))
  t.match(await runSluice(service, t, 'restart'), { code: 0 })
  t.equal(await code(), 'new')
  const before = await pidsOf(service)
  await writeFile(join(service.folder, 'routes/code.js'), "export default async () => { throw Object.assign(new Error('no such module'), { code: 'FST_TEST' }) }")
  t.match(await runSluice(service, t, 'restart'), { code: 1, text: /^sluice: .*code\.js:1:\d+: no such module/m })
  t.same(await pidsOf(service), before)
  t.equal(await code(), 'new')
})

t.test('restart takes the code to which the link leads by which the service was started', async t => {
  const folder = await temporaryFolder(t)
  const root = fileURLToPath(new URL('../../../', import.meta.url))
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
  t.match(await runSluice({ folder }, t, 'restart'), { code: 0 })
  t.match(command.stdout, /worker 1 of v2 listening at/)
})

t.test('reload: all workers have it, a wrong configuration changes nothing, and the number of workers follows', async t => {
  const service = await startWorkers(t)
  const { url: other } = await echoBackend(t)
  const before = await pidsOf(service)
  await service.write({ workers: 2, upstreams: {}, routes: [{ url: '/*', upstream: 'nobody' }] })
  t.match(await runSluice(service, t, 'reload'), { code: 1, text: /^sluice: .*sluice\.yaml:\d+:\d+: routes\.0\.upstream: upstream 'nobody' is not declared/m })
  t.equal((await fetch(service.url)).status, 200)
  await service.write({ workers: 3, ...routesTo(other), routes: [{ url: '/new', upstream: 'app' }] })
  t.match(await runSluice(service, t, 'reload'), { code: 0, text: /1 route\(s\) added, 1 route\(s\) removed/ })
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

t.test('restart of a single process says what it needs', async t => {
  const service = await startWorkers(t, { workers: undefined })
  t.match(await runSluice(service, t, 'restart'), { code: 1, text: /single process, which cannot replace itself\. Start it with --workers/ })
})
