import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import t from 'tap'
import { checkServes, CLI, firstData, serving, start, Text } from '../helpers/outputs.js'

/*
 * Issue 8, item 29: no output of the built command ends it, or keeps it from serving and stopping: a reader that goes
 * away (`sluice … | head -1`), a closed descriptor, a full disk.
 */

/** Has the service take its output for a terminal. */
const TERMINAL = `data:text/javascript,${encodeURIComponent('process.stdout.isTTY = true')}`
const FORMS: Record<string, string[]> = { JSON: [], 'readable text': ['--import', TERMINAL] }

for (const [form, node] of Object.entries(FORMS)) {
  t.test(form, async t => {
    // To the others the form of the lines makes no difference.
    const whole = form === 'JSON'
    t.test('the reader of stdout goes away', async t => {
      const started = await start(t, { node })
      const line = await firstData(started.child.stdout!)
      t.equal(line.startsWith('{'), form === 'JSON')
      started.child.stdout!.destroy()
      await serving(started)
      await checkServes(t, started)
    })

    if (whole) {
      t.test('behind head -1, in a shell', async t => {
        // Descriptor 3 tells the id of the process, that head has gone, and the exit code.
        const started = await start(t, { node, stdio: ['ignore', 'pipe', 'inherit', 'pipe'], shell: exec => `{ sh -c 'echo $$ >&3; ${exec}' "$0" "$@"; echo over $? >&3; } | { head -1; echo gone >&3; }` })
        const reports = new Text(started.child.stdio[3] as Readable)
        const pid = Number((await reports.has(/\d+(?=\n)/))[0])
        t.teardown(() => { try { process.kill(pid, 'SIGKILL') } catch {} })
        const lines = new Text(started.child.stdout!)
        await Promise.all([reports.has(/gone\n/), serving(started)])
        await checkServes(t, started, () => { process.kill(pid, 'SIGTERM') })
        await reports.has(/over 0\n/)
        t.match(lines.text, /^.*\n$/, 'one line')
      })
    }

    if (whole) {
      t.test('nobody reads stdout from the start', async t => {
        const started = await start(t, { node })
        started.child.stdout!.destroy()
        await serving(started)
        await checkServes(t, started)
      })
    }

    if (whole) {
      t.test('stdout and stderr are closed from the start', async t => {
        const started = await start(t, { node, shell: exec => `${exec} >&- 2>&-` })
        await serving(started)
        await checkServes(t, started)
      })
    }

    t.test('stdout is a disk that is full', { skip: process.platform !== 'linux' }, async t => {
      const full = openSync('/dev/full', 'w')
      const started = await start(t, { node, stdio: ['ignore', full, 'pipe'] })
      closeSync(full)
      await serving(started)
      await checkServes(t, started)
    })

    t.test('the readers of stdout and stderr go away, and a plugin writes to both', async t => {
      const files = {
        plugins: {
          'loud.mjs': `export default async app => {
            app.addHook('onRequest', async () => {
              console.error('loud')
              process.stderr.write('louder')
              process.stdout.write('loudest')
              process.emitWarning('loud')
            })
          }`
        }
      }
      const started = await start(t, { node, files, args: ['--plugins', 'plugins'] })
      await firstData(started.child.stdout!)
      for (const output of [started.child.stdout!, started.child.stderr!]) output.destroy()
      await serving(started)
      await checkServes(t, started)
    })
  })
}

t.test('what ends at once has its exit code, whoever reads it', async t => {
  for (const [args, code] of [[['--help'], 0], [['--version'], 0], [['--prot', '80'], 2], [['--config', 'none.yaml'], 1]] as const) {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: t.testdir(), env: { PATH: process.env.PATH } })
    for (const output of [child.stdout, child.stderr]) output.destroy()
    t.same(await once(child, 'exit'), [code, null], args.join(' '))
  }
})
