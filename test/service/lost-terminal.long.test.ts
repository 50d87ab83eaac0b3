import { existsSync } from 'node:fs'
import t from 'tap'
import { checkServes, serving, start, Text } from '../helpers/outputs.js'

/*
 * Issue 8, item 29: a terminal is an output, too.
 */

const PYTHON = '/usr/bin/python3'
const skip = existsSync(PYTHON) ? false : `there is no ${PYTHON}`

t.test('a terminal that goes away, and with it the outputs', { skip }, async t => {
  // It is not the controlling terminal, so there is no SIGHUP: every line of the log is an error from then on.
  const terminal = `import os, pty, subprocess, sys
near, far = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdout=far, stderr=far, stdin=far)
os.close(far)
os.read(near, 1)
os.close(near)
print(child.pid, flush=True)
print("over", child.wait(), flush=True)`
  const started = await start(t, { shell: () => `exec ${PYTHON} -c '${terminal}' "$0" "$@"` })
  const reports = new Text(started.child.stdout!)
  const pid = Number((await reports.has(/\d+(?=\n)/))[0])
  t.teardown(() => { try { process.kill(pid, 'SIGKILL') } catch {} })
  await serving(started)
  await checkServes(t, started, () => { process.kill(pid, 'SIGTERM') })
  await reports.has(/over 0\n/)
})

t.test('a terminal that goes away, which is a SIGHUP to what runs in it', { skip }, async t => {
  const terminal = `import os, pty, sys
pid, near = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
print(pid, flush=True)
os.read(near, 1)
sys.stdin.readline()
os.close(near)
print("over", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)`
  const started = await start(t, { shell: () => `exec ${PYTHON} -c '${terminal}' "$0" "$@"` })
  const reports = new Text(started.child.stdout!)
  const pid = Number((await reports.has(/\d+(?=\n)/))[0])
  t.teardown(() => { try { process.kill(pid, 'SIGKILL') } catch {} })
  await serving(started)
  await checkServes(t, started, () => { started.child.stdin!.end('\n') })
  await reports.has(/over 0\n/)
})
