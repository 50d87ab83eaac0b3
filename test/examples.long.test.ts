import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Command } from './helpers/command.js'
import { address, startProgram, startService } from './helpers/programs.js'
import { closed, nextMessage, openSocket } from './helpers/sockets.js'

const upstream = startProgram(t, 'examples/upstream.mjs', [], { env: { PORT: '0' } })
const UPSTREAM_URL = await address(upstream)

/** Sends a message through, then stops the program with the WebSocket still open. */
async function works (t: Test, program: Command, url: string): Promise<void> {
  const socket = await openSocket(url)
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  const end = closed(socket)
  program.kill('SIGTERM')
  t.equal((await end).code, 1012, 'the gateway says that it goes away')
  t.equal(await program.ended, 0)
  t.equal(program.stderr, '')
}

t.test('embedded', async t => {
  const program = startProgram(t, 'examples/embedded.mjs', [], { env: { PORT: '0', UPSTREAM_URL } })
  const url = await address(program)
  t.equal(await (await fetch(url)).text(), 'Hello from the app\n')
  t.equal(await (await fetch(`${url}/backend/`)).text(), 'Hello from the upstream\n')
  await works(t, program, `${url}/backend/echo`)
})

t.test('programmatic', async t => {
  const program = startProgram(t, 'examples/programmatic.mjs', [], { env: { PORT: '0', UPSTREAM_URL } })
  const url = await address(program)
  t.equal(await (await fetch(url)).text(), 'Hello from the upstream\n')
  await works(t, program, `${url}/echo`)
})

t.test('service', async t => {
  // The file names a fixed port of the upstream; a test cannot count on that.
  const text = readFileSync(new URL('../examples/service/sluice.yaml', import.meta.url), 'utf8')
  const directory = t.testdir({})
  writeFileSync(join(directory, 'sluice.yaml'), text.replaceAll('http://127.0.0.1:5173', UPSTREAM_URL))
  const program = startService(t, ['--config', 'sluice.yaml', '--port', '0'], { cwd: directory })
  const url = await address(program)
  t.equal(await (await fetch(`${url}/api/`)).text(), 'Hello from the upstream\n')
  await works(t, program, `${url}/echo`)
})
