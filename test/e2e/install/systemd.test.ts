import { spawnSync } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { echoBackend } from '../../helpers/backends.js'
import { runCommand, startCommand, type Command } from '../../helpers/command.js'
import { REPOSITORY, userEnvironment } from '../../helpers/consumer.js'
import { notifySocket, type NotifySocket } from '../../helpers/notify-socket.js'
import { closed, openSocket } from '../../helpers/sockets.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'
import { settingOf, unitWith } from '../../helpers/unit.js'

/*
 * Issue 12: what deploy/systemd/sluice.service says is done as systemd does it, without systemd: the package is installed as
 * docs/deploy.md says, and the commands of the unit run as a user with its capabilities, with a socket for notifications.
 */

t.setTimeout(300_000) // npm install asks the registry.

const NOBODY = { uid: 65534, gid: 65534 }
const skip = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'it needs Linux, and root' : false

interface Machine {
  unit: string
  etc: string
  systemd: NotifySocket
  /** Runs a command of the unit. */
  run (setting: string, prefix?: string[]): Command
}

/** A machine on which the unit is installed, with other folders. */
async function machine (t: Test): Promise<Machine> {
  const folder = await temporaryFolder(t)
  const [opt, etc, run] = ['opt', 'etc', 'run'].map(name => join(folder, name)) as [string, string, string]
  await mkdir(etc)
  await mkdir(join(run, 'sluice'), { recursive: true })
  await chown(join(run, 'sluice'), NOBODY.uid, NOBODY.gid)
  await chmod(folder, 0o755)
  await runCommand(t, 'npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: REPOSITORY, env: userEnvironment() })
  const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz'))!
  await runCommand(t, 'npm', ['install', '--global', '--prefer-offline', '--no-audit', '--prefix', opt, join(folder, tarball)], { env: userEnvironment() })
  const unit = await unitWith({ '/opt/sluice': opt, '/etc/sluice': etc, '%t': run })
  const systemd = await notifySocket(t)
  // It is in a folder of root's.
  await chmod(join(systemd.path, '..'), 0o755)
  const [capabilities] = settingOf(unit, 'CapabilityBoundingSet')
  const capability = `-all,+${capabilities!.toLowerCase().replace(/^cap_/, '')}`
  return {
    unit,
    etc,
    systemd,
    run: (setting, prefix = []) => startCommand(t, 'setpriv', [
      `--reuid=${NOBODY.uid}`, `--regid=${NOBODY.gid}`, '--clear-groups', '--no-new-privs', `--bounding-set=${capability}`, `--inh-caps=${capability}`, `--ambient-caps=${capability}`,
      // What tap adds to the environment is not systemd's.
      'env', '--ignore-environment', `PATH=${process.env.PATH}`, `NOTIFY_SOCKET=${systemd.path}`,
      ...prefix, ...settingOf(unit, setting)[0]!.split(' ')
    ], { cwd: etc })
  }
}

/** The calls of the kernel that the unit allows. */
function allowedCalls (unit: string): Set<string> {
  const { stdout } = spawnSync('systemd-analyze', ['syscall-filter', '--no-pager'], { encoding: 'utf8' })
  const groups = new Map<string, string[]>()
  let group: string[] = []
  for (const line of stdout.split('\n')) {
    if (line.startsWith('@')) groups.set(line.trim(), group = [])
    else if (/^ {4}[@a-z]/.test(line)) group.push(line.trim())
  }
  const calls = (name: string): string[] => name.startsWith('@') ? groups.get(name)!.flatMap(calls) : [name]
  const allowed = new Set<string>()
  for (const setting of settingOf(unit, 'SystemCallFilter')) {
    const names = setting.replace('~', '').split(' ').flatMap(calls)
    for (const name of names) setting.startsWith('~') ? allowed.delete(name) : allowed.add(name)
  }
  return allowed
}

t.test('the unit starts, reloads and stops the installed package', { skip }, async t => {
  const { etc, systemd, run } = await machine(t)
  const { url: target } = await echoBackend(t)
  const configure = (routes: string): Promise<void> => writeFile(join(etc, 'sluice.yaml'), `listen: { port: 0 }\ndrainTimeout: 2000\nroutes: [${routes}]\n`)
  await configure(`{ url: /*, upstream: '${target}', websocket: true }`)
  const service = run('ExecStart')
  const { READY, STATUS } = await systemd.next()
  t.equal(READY, '1', service.stderr)
  const status = await readFile(`/proc/${service.pid}/status`, 'utf8')
  t.match(status, /^Uid:\t65534\t/m)
  t.match(status, /^CapEff:\t0+400$/m, 'CAP_NET_BIND_SERVICE alone')
  t.match(status, /^CapBnd:\t0+400$/m)
  const url = STATUS!.slice('Serving at '.length)
  const socket = await openSocket(url)

  await configure(`{ url: /*, upstream: '${target}', websocket: true }, { url: /new, upstream: '${target}' }`)
  const reload = run('ExecReload')
  t.equal(await reload.ended, 0, reload.stderr)
  t.match(reload.stdout, '1 route(s) added')
  t.match(await systemd.next(), { RELOADING: '1' })
  t.match(await systemd.next(), { READY: '1', STATUS: /1 route\(s\) added/ })

  await configure('{ url: /*, upstream: missing }')
  const wrong = run('ExecReload')
  t.equal(await wrong.ended, 1, "'systemctl reload' fails")
  t.match(wrong.stderr, /'missing' is not declared/)
  t.equal((await fetch(url)).status, 200, 'and nothing has changed')

  service.kill('SIGTERM')
  t.equal((await closed(socket)).code, 1012)
  t.equal(await service.ended, 0)
  for (const expected of [{ RELOADING: '1' }, { READY: '1' }, { STOPPING: '1' }]) t.match(await systemd.next(), expected)
  t.strictSame(await readdir(join(etc, '../run/sluice')), [], 'nothing is left behind')
})

t.test('it calls the kernel only as the unit allows, and makes memory executable', { skip: skip !== false ? skip : spawnSync('strace', ['--version']).error !== undefined && 'strace is not installed' }, async t => {
  const { unit, etc, systemd, run } = await machine(t)
  const { url: target } = await echoBackend(t)
  await writeFile(join(etc, 'sluice.yaml'), `listen: { port: 0 }\nadmin: { port: 0 }\ndrainTimeout: 2000\nroutes: [{ url: /*, upstream: '${target}', websocket: true }]\n`)
  const trace = join(etc, '../run/sluice/trace')
  const service = run('ExecStart', ['strace', '--follow-forks', '--output', trace])
  const { STATUS } = await systemd.next()
  const url = STATUS!.slice('Serving at '.length)
  const socket = await openSocket(url)
  await (await fetch(url)).text()
  t.equal(await run('ExecReload').ended, 0)
  const [, pid] = await service.output(/"pid":(\d+)/)
  process.kill(Number(pid), 'SIGTERM')
  t.equal((await closed(socket)).code, 1012)
  t.equal(await service.ended, 0)

  const lines = (await readFile(trace, 'utf8')).split('\n')
  const called = new Set(lines.flatMap(line => /^\d+ +([a-z]\w*)\(/.exec(line)?.[1] ?? []))
  t.ok(called.has('epoll_wait') || called.has('epoll_pwait'), 'that is Node.js')
  const allowed = allowedCalls(unit)
  t.strictSame([...called].filter(name => !allowed.has(name)), [])
  t.ok(lines.some(line => /mprotect\(.*PROT_(READ\|PROT_WRITE\|PROT_)?EXEC|mmap\(.*PROT_WRITE\|PROT_EXEC/.test(line)), 'which MemoryDenyWriteExecute=yes would forbid')
})
