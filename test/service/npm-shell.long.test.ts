import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { isWaitingShell } from '../../src/service/npm-shell.js'
import { startCommand } from '../helpers/command.js'
import { listeningUrl } from '../helpers/sluice-command.js'

// Issue 12: `npx sluice` on SIGTERM left the service behind, as an orphan. npm passes the signal on to its shell alone.

const CLI = fileURLToPath(new URL('../../dist/src/service/cli.js', import.meta.url))

t.test('only a shell that waits for this command and nothing else is one whose end counts', async t => {
  const counts = (script: string, ...command: string[]): boolean => isWaitingShell(script, command)
  t.ok(counts("'sluice'", 'sh', '-c', "'sluice' http://127.0.0.1:5173 --port 0"), 'npx sluice')
  t.ok(counts("'sluice'", '/bin/sh', '-c', "'sluice' --config 'a b & c.yaml'"), 'an argument in quotes')
  t.ok(counts('sluice --config sluice.yaml', 'sh', '-c', 'sluice --config sluice.yaml'), 'npm start')
  t.ok(counts('node dist/src/service/cli.js', 'sh', '-c', 'node dist/src/service/cli.js "--port" "0"'), 'npm start in a checkout')
  t.ok(counts('"node_modules/.bin/sluice" "a;b"', '/usr/bin/dash', '-c', '"node_modules/.bin/sluice" "a;b"'))
  for (const script of [
    'sluice &', 'nohup sluice', 'setsid sluice', 'sluice & sleep 5', 'sluice; echo', 'sluice || true', 'sluice && echo', 'sluice | cat', 'sluice "$(x)"', 'sluice $(x &)',
    'node dist/src/service/cli.js &', 'node dist/other.js', 'node -r ./dist/src/service/cli.js other.js', 'build && sluice', "concurrently 'sluice'", 'pm2 start sluice', 'exec sluice', "'pm2' start sluice", 'sluice\necho'
  ]) t.notOk(counts(script, 'sh', '-c', script), script)
  t.notOk(counts("'sluice'", 'npm exec sluice'), 'npm itself')
  t.notOk(counts("'sluice'", '/sbin/init'), 'the parent of orphans')
  t.notOk(counts("'sluice'", 'sh', './start.sh'), "a script of the user's, whose environment has npm's variables")
  t.notOk(counts("'sluice'", 'sh', '-c', 'nohup sluice'), 'another command than npm says')
  t.notOk(isWaitingShell("'sluice'", undefined), 'nothing is known of the parent')
})

/** Without what npm tells this test: the npm that is started would take it for its own options. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')))

/** A project with the command installed. */
function project (t: Test, scripts: Record<string, string> = {}): string {
  const folder = t.testdir({ 'package.json': JSON.stringify({ name: 'project', scripts }) })
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true })
  writeFileSync(join(folder, 'node_modules', '.bin', 'sluice'), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`, { mode: 0o755 })
  return folder
}

for (const [name, args, scripts] of [
  ['npx sluice', ['exec', '--no', '--', 'sluice', 'http://127.0.0.1:9', '--port', '0'], {}],
  ['npm start', ['start'], { start: 'sluice http://127.0.0.1:9 --port 0' }]
] as const) {
  t.test(`${name} on SIGTERM leaves no service behind`, async t => {
    const command = startCommand(t, 'npm', [...args], { cwd: project(t, scripts), env })
    await listeningUrl(command)
    command.kill('SIGTERM')
    // Whoever is left would hold the output open.
    await command.ended
    t.match(command.stdout, /"msg":"SIGTERM received, stopping"/)
  })
}

t.test('a service that npm has only started lives on', async t => {
  const command = startCommand(t, 'npm', ['run', 'background'], {
    cwd: project(t, { background: 'sluice http://127.0.0.1:9 --port 0 & read line' }),
    env
  })
  const url = await listeningUrl(command)
  const { pid } = JSON.parse(/^\{.*"Server listening.*$/m.exec(command.stdout)![0]) as { pid: number }
  t.teardown(() => process.kill(pid, 'SIGKILL'))
  command.type('go')
  // npm ends, and says so to nobody but its parent; the output stays open.
  await new Promise(resolve => setTimeout(resolve, 1_500))
  t.equal((await fetch(url)).status, 502)
})
