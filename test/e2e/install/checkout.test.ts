import { access, cp, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand, startCommand } from '../../helpers/command.js'
import { REPOSITORY, userEnvironment } from '../../helpers/consumer.js'
import { listeningUrl } from '../../helpers/sluice-command.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

/*
 * What `npm` does in a checkout of the repository, which is a copy here: `npm start` builds it anew.
 *
 * Issue 8, item 36
 */

t.setTimeout(240_000) // npm ci asks the registry, and a build takes seconds.

t.test('npm ci --omit=dev installs what the built service needs', async t => {
  const folder = await checkout(t, ['dist'])
  await runCommand(t, 'npm', ['ci', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder, env: userEnvironment() })
  await t.rejects(access(join(folder, 'node_modules/typescript')), 'without what only development needs')
  const service = startCommand(t, process.execPath, ['dist/src/service/cli.js', '--port', '0'], { cwd: folder, env: userEnvironment() })
  t.equal((await fetch(await listeningUrl(service))).status, 200)
  const names = await runCommand(t, process.execPath, ['-e', "import('sluice').then(({ default: plugin }) => console.log(typeof plugin))"], { cwd: folder })
  t.equal(names, 'function\n')
})

t.test('npm start', { skip: process.platform === 'win32' && 'it sends SIGTERM' }, async t => {
  const folder = await checkout(t, ['src', 'plugins', 'routes', 'scripts', 'tsconfig.json', 'tsconfig.build.json'])
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'))

  t.test('builds, and serves', async t => {
    await started(t, folder, [])
  })

  // Some shells replace themselves by the only command that they run, and some wait for it.
  for (const shell of ['/bin/dash', '/bin/bash', '/bin/sh']) {
    const missing = await access(shell).then(() => false, () => 'there is no such shell')
    t.test(`stops at SIGTERM, and leaves no process behind, with ${shell}`, { skip: missing }, async t => {
      const npm = await started(t, folder, ['--ignore-scripts', `--script-shell=${shell}`])
      npm.kill('SIGTERM')
      await npm.ended // That is when nobody has its output open any more, so the gateway is gone, too.
      t.match(npm.stdout, /SIGTERM received, stopping/)
      t.notMatch(npm.stdout, /second SIGTERM/)
    })
  }
})

/** A folder with these parts of the repository. */
async function checkout (t: Test, parts: string[]): Promise<string> {
  const folder = join(await temporaryFolder(t), 'sluice')
  await mkdir(folder)
  for (const part of ['package.json', 'package-lock.json', ...parts]) await cp(join(REPOSITORY, part), join(folder, part), { recursive: true })
  return folder
}

/** Runs `npm start` until it serves. */
async function started (t: Test, folder: string, options: string[]) {
  const npm = startCommand(t, 'npm', ['start', ...options, '--', '--port', '0'], { cwd: folder, env: userEnvironment() })
  const [, pid] = await npm.output(/"pid":(\d+)/)
  // It outlives npm if the test fails.
  t.teardown(() => { try { process.kill(Number(pid), 'SIGKILL') } catch {} })
  t.equal((await fetch(await listeningUrl(npm))).status, 200)
  return npm
}
