import { spawnSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { settingOf, unitWith, UNIT_FILE } from '../helpers/unit.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * Issue 12: systemd's own checks of deploy/systemd. test/e2e/install/systemd.test.ts runs what the unit says.
 */

/** Tenths of systemd's score, from 0 (shut) to 100 (open). */
const MOST_EXPOSURE = 20

const missing = spawnSync('systemd-analyze', ['--version']).error !== undefined && 'systemd-analyze is not installed'

/** What a program of systemd objects to. */
function objections (program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? stderr : `${stdout}${stderr}`
}

t.test('systemd-analyze verify finds nothing wrong', { skip: missing }, async t => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'bin'))
  // It must exist, and is not run.
  await writeFile(join(folder, 'bin/sluice'), '#!/bin/sh\n')
  await chmod(join(folder, 'bin/sluice'), 0o755)
  const file = join(folder, 'sluice.service')
  const unit = await unitWith({ '/opt/sluice': folder })
  await writeFile(file, unit)
  t.equal(objections('systemd-analyze', 'verify', '--man=no', file), '')
  await writeFile(file, unit.replace('KillMode=mixed', 'KillMode=most'))
  t.match(objections('systemd-analyze', 'verify', '--man=no', file), /Failed to parse.*most/, 'and it would')
})

t.test('systemd-analyze security finds it shut enough', { skip: missing }, async t => {
  t.equal(objections('systemd-analyze', 'security', '--no-pager', '--offline=true', `--threshold=${MOST_EXPOSURE}`, UNIT_FILE), '')
})

t.test('systemd-sysusers makes the user of the unit', { skip: missing }, async t => {
  const folder = await temporaryFolder(t)
  const { status, stdout, stderr } = spawnSync('systemd-sysusers', ['--dry-run', `--root=${folder}`, join(UNIT_FILE, '../sluice.sysusers.conf')], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.strictSame(settingOf(await unitWith({}), 'User'), ['sluice'])
  t.match(`${stdout}${stderr}`, /Creating user 'sluice'/)
})
