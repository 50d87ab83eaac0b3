import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import type { GatewayConfig } from '../../src/options/index.js'
import { echoBackend } from '../helpers/backends.js'
import { startCommand, type Command } from '../helpers/command.js'
import { CLI } from '../helpers/outputs.js'
import { closed, nextMessage, openSocket } from '../helpers/sockets.js'
import { listeningUrl } from '../helpers/sluice-command.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * The built command: `sluice check`, and the ways to have one that runs reload.
 */

interface Service { program: Command, url: string, file: string, cwd: string, write (config: GatewayConfig): void }

async function start (t: Test, config: GatewayConfig, args: string[] = []): Promise<Service> {
  const cwd = await temporaryFolder(t)
  const file = join(cwd, 'sluice.yaml')
  const write = (config: GatewayConfig): void => { writeFileSync(file, stringify({ listen: { port: 0 }, ...config })) }
  write(config)
  const program = startCommand(t, process.execPath, [CLI, '--config', 'sluice.yaml', ...args], environment(cwd))
  return { program, url: await listeningUrl(program), file, cwd, write }
}

/** Services of other tests are not found. */
function environment (cwd: string): { cwd: string, env: NodeJS.ProcessEnv } {
  return { cwd, env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: cwd } }
}

async function sluice (t: Test, cwd: string, ...args: string[]): Promise<{ code: unknown, stdout: string, stderr: string }> {
  const program = startCommand(t, process.execPath, [CLI, ...args], environment(cwd))
  const code = await program.ended
  return { code, stdout: program.stdout, stderr: program.stderr }
}

const status = async (url: string): Promise<number> => {
  const response = await fetch(url)
  await response.text()
  return response.status
}

t.test('sluice reload puts the file in force, and drops nobody', async t => {
  const { url: target } = await echoBackend(t)
  const route = { url: '/', upstream: target, websocket: true }
  const service = await start(t, { routes: [route] })
  const socket = await openSocket(service.url)
  service.write({ routes: [route, { url: '/new', upstream: target }] })
  t.strictSame(await sluice(t, service.cwd, 'reload'), { code: 0, stdout: 'The configuration is in force: 1 route(s) added.\n', stderr: '' })
  t.equal(await status(`${service.url}/new`), 200)

  // Wrong: nothing changes, and whoever asked hears of every problem.
  service.write({ listen: { port: 'x' }, routes: [{ url: '/', upstream: 'none' }] } as never)
  const { code, stdout, stderr } = await sluice(t, service.cwd, 'reload', '--pid', String(service.program.pid))
  t.strictSame({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^sluice: sluice\.yaml:2:9: listen\.port: must be an integer, got "x".*\nsluice: sluice\.yaml:5:15: routes\.0\.upstream: upstream 'none' is not declared/)
  await service.program.output(/was not reloaded, and the one before stays in force/)
  t.equal(await status(`${service.url}/new`), 200)

  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  const end = closed(socket)
  service.program.kill('SIGTERM')
  t.equal(await service.program.ended, 0)
  t.equal((await end).code, 1012)
  const gone = await sluice(t, service.cwd, 'reload')
  t.match(gone, { code: 1, stderr: /No service of this user was found/ })
})

t.test('kill -HUP, twenty times in a second: the last configuration is in force', async t => {
  const { url: target } = await echoBackend(t)
  const service = await start(t, {})
  for (let count = 1; count <= 20; count++) {
    service.write({ routes: [{ url: `/r${count}`, upstream: target }] })
    service.program.kill('SIGHUP')
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await service.program.output(/"added":\["\/r20"\]|"changed":\["\/r20"\]/)
  t.same([await status(`${service.url}/r20`), await status(`${service.url}/r19`)], [200, 404])
  service.program.kill('SIGTERM')
  t.equal(await service.program.ended, 0)
})

t.test('--watch puts a file in force that is written over, or replaced as editors do', async t => {
  const { url: target } = await echoBackend(t)
  const service = await start(t, {}, ['--watch'])
  service.write({ routes: [{ url: '/written', upstream: target }] })
  await service.program.output(/"added":\["\/written"\]/)
  writeFileSync(`${service.file}.new`, stringify({ listen: { port: 0 }, routes: [{ url: '/replaced', upstream: target }] }))
  renameSync(`${service.file}.new`, service.file)
  await service.program.output(/"added":\["\/replaced"\]/)
  t.equal(await status(`${service.url}/replaced`), 200)
  writeFileSync(service.file, 'routes: [')
  await service.program.output(/was not reloaded/)
  t.equal(await status(`${service.url}/replaced`), 200)
})

t.test('--pid-file holds the process id, and is enough to find it', async t => {
  const { url: target } = await echoBackend(t)
  const service = await start(t, {}, ['--pid-file', 'gateway.pid'])
  t.equal(readFileSync(join(service.cwd, 'gateway.pid'), 'utf8'), `${service.program.pid}\n`)
  service.write({ routes: [{ url: '/new', upstream: target }] })
  t.match(await sluice(t, service.cwd, 'reload', '--pid-file', 'gateway.pid'), { code: 0, stdout: /1 route\(s\) added/ })
  service.program.kill('SIGTERM')
  t.equal(await service.program.ended, 0)
  t.notOk(existsSync(join(service.cwd, 'gateway.pid')))
  t.match(await sluice(t, service.cwd, 'reload', '--pid-file', 'gateway.pid'), { code: 1, stderr: /gateway\.pid: cannot be read/ })
})

t.test('a service that was killed is not found, and what it has left behind goes', async t => {
  const killed = await start(t, {})
  killed.program.kill('SIGKILL')
  await killed.program.ended
  const folder = join(killed.cwd, `sluice-${process.getuid!()}`)
  t.same(readdirSync(folder), [`${killed.program.pid}.sock`])
  // A process id that another program has by now.
  renameSync(join(folder, `${killed.program.pid}.sock`), join(folder, `${process.pid}.sock`))
  t.match(await sluice(t, killed.cwd, 'reload'), { code: 1, stderr: /No service of this user was found/ })
  renameSync(join(folder, `${process.pid}.sock`), join(folder, `${killed.program.pid}.sock`))
  const next = startCommand(t, process.execPath, [CLI, '--config', 'sluice.yaml'], environment(killed.cwd))
  await listeningUrl(next)
  t.same(readdirSync(folder), [`${next.pid}.sock`])
  t.match(await sluice(t, killed.cwd, 'reload'), { code: 0 })
})

t.test('several services: reload asks which', async t => {
  const one = await start(t, {})
  const other = startCommand(t, process.execPath, [CLI, '--config', 'sluice.yaml'], environment(one.cwd))
  await listeningUrl(other)
  t.match(await sluice(t, one.cwd, 'reload'), { code: 2, stderr: /Several services run: \d+, \d+\. Say which/ })
  t.match(await sluice(t, one.cwd, 'reload', '--pid', String(other.pid)), { code: 0 })
})

t.test('sluice check says everything that is wrong, and starts nothing', async t => {
  const cwd = t.testdir({
    'good.yaml': 'upstreams: { app: { targets: [http://127.0.0.1:5173] } }\nroutes: [{ url: /*, upstream: app }]\n',
    'bad.yaml': 'listen: { prt: 1 }\nupstreams: { app: { targets: [ftp://a] } }\nroutes: [{ url: /*, upstream: nobody }]\n',
    'plugin.yaml': 'routes: [{ url: /*, upstream: late }]\n',
    plugins: { 'throws.mjs': 'export default async () => { throw new Error("no database") }' }
  })
  t.match(await sluice(t, cwd, 'check', 'good.yaml'), { code: 0, stdout: /^The configuration .*good\.yaml is valid: 1 route\(s\), 1 upstream\(s\)\.\n$/, stderr: '' })
  const bad = await sluice(t, cwd, 'check', 'bad.yaml')
  t.equal(bad.code, 1)
  for (const place of ['bad.yaml:1:11: listen.prt: ', 'bad.yaml:2:31: upstreams.app.targets.0: ', 'bad.yaml:3:31: routes.0.upstream: ']) t.match(bad.stderr, place)
  t.match(await sluice(t, cwd, 'check', '--config', 'plugin.yaml', '--plugins', 'plugins'), { code: 1, stderr: /no database/ })
  t.match(await sluice(t, cwd, 'check', 'none.yaml'), { code: 1, stderr: /none\.yaml: cannot be read/ })
  t.match(await sluice(t, cwd, 'check'), { code: 0, stdout: 'Nothing is configured; the demo would be served.\n' })
  t.match(await sluice(t, cwd, 'check', 'a', 'b'), { code: 2, stderr: /Unexpected argument 'b' of 'sluice check'/ })
  t.match(await sluice(t, cwd, 'check', '--watch'), { code: 2, stderr: /'sluice check' takes no option '--watch'/ })
  t.match(await sluice(t, cwd, 'reload', '--pid', '0'), { code: 2, stderr: /must be the id of a process/ })
  t.match(await sluice(t, cwd, '--watch', 'http://127.0.0.1:1'), { code: 2, stderr: /--watch needs a configuration file/ })
})
