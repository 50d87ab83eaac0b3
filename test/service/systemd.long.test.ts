import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSupervisor } from '../../src/service/systemd.js'
import { echoBackend } from '../helpers/backends.js'
import { startCommand } from '../helpers/command.js'
import { notifySocket } from '../helpers/notify-socket.js'
import { CLI } from '../helpers/outputs.js'
import { openSocket, closed } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * Issue 12: what the service tells systemd. The messages are those of the real systemd-notify, at a socket like systemd's.
 */

/** The service as systemd starts it. */
async function start (t: Test, environment: NodeJS.ProcessEnv) {
  const { url: target } = await echoBackend(t)
  const folder = await temporaryFolder(t)
  const file = join(folder, 'sluice.yaml')
  const configure = (config: string): Promise<void> => writeFile(file, `drainTimeout: 2000\n${config}`)
  const good = `routes: [{ url: /*, upstream: '${target}', websocket: true }]\n`
  await configure(good)
  const pidFile = join(folder, 'pid')
  const command = startCommand(t, process.execPath, [CLI, '--config', file, '--port', '0', '--pid-file', pidFile], { cwd: folder, env: environment })
  const reload = async (): Promise<[number | NodeJS.Signals, string]> => {
    const asking = startCommand(t, process.execPath, [CLI, 'reload', '--pid-file', pidFile])
    return [await asking.ended, asking.stderr]
  }
  return { command, configure, good, reload }
}

t.test('it says when it serves, reloads and stops', async t => {
  const systemd = await notifySocket(t)
  const { command, configure, good, reload } = await start(t, { PATH: process.env.PATH, NOTIFY_SOCKET: systemd.path })
  const { READY, STATUS } = await systemd.next()
  t.equal(READY, '1')
  t.match(STATUS, /^Serving at http:\/\/127\.0\.0\.1:\d+$/)
  const url = STATUS!.slice('Serving at '.length)
  t.equal((await fetch(url)).status, 200, 'it serves by then')
  const socket = await openSocket(url)

  await configure(`upstreams: { other: { targets: ['http://127.0.0.1:1'] } }\n${good}`)
  t.strictSame(await reload(), [0, ''])
  const reloading = await systemd.next()
  t.match(reloading, { RELOADING: '1', STATUS: 'Reloading the configuration' })
  const now = Number(process.hrtime.bigint() / 1_000n)
  t.ok(Number(reloading.MONOTONIC_USEC) < now && Number(reloading.MONOTONIC_USEC) > now - 60_000_000, 'the monotonic clock of the machine')
  t.match(await systemd.next(), { READY: '1', STATUS: /^The configuration is in force: 1 upstream\(s\) added/ })

  await configure('routes: [{ url: /*, upstream: missing }, { url: /a, upstream: gone }]\n')
  const [code, text] = await reload()
  t.equal(code, 1, 'so that systemctl reload fails')
  t.match(text, /'missing' is not declared/)
  t.match(await systemd.next(), { RELOADING: '1' })
  t.match(await systemd.next(), { READY: '1', STATUS: /^The configuration was not reloaded: .*'missing'.*; .*'gone'/ }, 'ready as before, and all on one line')

  command.kill('SIGTERM')
  t.match(await systemd.next(), { STOPPING: '1', EXTEND_TIMEOUT_USEC: '7000000', STATUS: 'Stopping' })
  t.equal((await closed(socket)).code, 1012)
  t.equal(await command.ended, 0)
  t.equal(systemd.count, 6)
})

t.test('a service that cannot start is never ready', async t => {
  const systemd = await notifySocket(t)
  const command = startCommand(t, process.execPath, [CLI, '--config', 'none.yaml'], { env: { PATH: process.env.PATH, NOTIFY_SOCKET: systemd.path } })
  t.equal(await command.ended, 1)
  t.equal(systemd.count, 0)
})

t.test('without systemd-notify, and with one that fails, it serves, and one line of the log says so', async t => {
  const without = await start(t, { PATH: await temporaryFolder(t), NOTIFY_SOCKET: '/nonexistent' })
  await without.command.output(/NOTIFY_SOCKET is set, but the program 'systemd-notify' was not found.*Type=exec/)
  const failing = await start(t, { PATH: process.env.PATH, NOTIFY_SOCKET: '/nonexistent' })
  await failing.command.output(/systemd could not be told the state of the service: .*NotifyAccess=all/)
  for (const { command, reload } of [without, failing]) {
    const [, url] = await command.output(/Server listening at (http:[^"\s]+)/)
    t.equal((await fetch(url!)).status, 200)
    t.strictSame(await reload(), [0, ''])
    command.kill('SIGTERM')
    t.equal(await command.ended, 0)
    t.equal(command.stdout.match(/NOTIFY_SOCKET is set|systemd could not be told/g)?.length, 1)
  }
})

t.test('nothing that the service starts inherits the socket, and without one nothing is sent', async t => {
  const environment = { PATH: process.env.PATH, NOTIFY_SOCKET: '/nonexistent' }
  openSupervisor(environment, { warn () {} })
  t.strictSame(environment, { PATH: process.env.PATH })
  const supervisor = openSupervisor(environment, { warn: text => t.fail(text) })
  supervisor.ready('')
  supervisor.reloading()
  supervisor.reloaded('')
  supervisor.stopping(0)
})

t.test('a reload before it serves does not make it ready', async t => {
  const systemd = await notifySocket(t)
  const warnings: string[] = []
  const supervisor = openSupervisor({ PATH: process.env.PATH, NOTIFY_SOCKET: systemd.path }, { warn: text => { warnings.push(text) } })
  supervisor.reloading()
  supervisor.reloaded('The configuration is in force')
  supervisor.ready('Serving')
  t.strictSame(await systemd.next(), { READY: '1', STATUS: 'Serving' })
  // It is sent once the program that sent the first has ended.
  supervisor.stopping(0)
  t.match(await systemd.next(), { STOPPING: '1' })
  t.same(warnings, [])
})
