import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { echoBackend } from './backends.js'
import { freePort } from './raw-target.js'
import { closed, nextMessage, openSocket } from './sockets.js'

export const CLI = fileURLToPath(new URL('../../dist/src/service/cli.js', import.meta.url))
const REQUESTS = 5

export interface Started {
  child: ChildProcess
  ended: Promise<number | string>
  url: string
}

/** Starts the command on a port of its own. */
export async function start (t: Test, { stdio, node = [], files = {}, args = [], shell }: { stdio?: StdioOptions, node?: string[], files?: Record<string, Record<string, string>>, args?: string[], shell?: (command: string) => string }): Promise<Started> {
  const { url: target } = await echoBackend(t)
  const port = await freePort()
  const command = [process.execPath, ...node, CLI, target, '--port', String(port), ...args]
  const [file, ...rest] = shell === undefined ? command : ['/bin/sh', '-c', shell('exec "$0" "$@"'), ...command]
  const child = spawn(file!, rest, { stdio: stdio ?? 'pipe', cwd: t.testdir(files), env: { PATH: process.env.PATH } })
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended, url: `http://127.0.0.1:${port}` }
}

/** Waits until it serves; fails when it ends before. */
export async function serving ({ url, ended }: Started): Promise<void> {
  let over: number | string | undefined
  ended.then(end => { over = end }, () => {})
  const { hostname, port } = new URL(url)
  while (true) {
    if (over !== undefined) throw new Error(`ended with ${over}`)
    const socket = connect(Number(port), hostname)
    const connected = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (connected) return
    await setTimeout(20)
  }
}

/** It serves, with a log line for each request and session, and stops on SIGTERM. */
export async function checkServes (t: Test, started: Started, kill = () => { started.child.kill('SIGTERM') }): Promise<void> {
  for (let index = 0; index < REQUESTS; index++) {
    const response = await fetch(`${started.url}/${index}`)
    await response.text()
    if (response.status !== 200) t.equal(response.status, 200)
  }
  for (let index = 0; index < 2; index++) {
    const socket = await openSocket(`${started.url}/ws`)
    const message = nextMessage(socket)
    socket.send('hello')
    t.equal(await message, 'hello')
    const end = closed(socket)
    if (index === 0) socket.close()
    else kill()
    t.equal((await end).code, index === 0 ? 1005 : 1012)
  }
  t.equal(await started.ended, 0, 'exit code')
}

export async function firstData (stream: Readable): Promise<string> {
  const [chunk] = await once(stream, 'data') as [Buffer]
  return chunk.toString()
}

/** What comes from a stream. */
export class Text {
  text = ''
  readonly #stream: Readable

  constructor (stream: Readable) {
    this.#stream = stream.setEncoding('utf8').on('data', (chunk: string) => { this.text += chunk })
  }

  async has (pattern: RegExp): Promise<RegExpExecArray> {
    for (let match; ; await once(this.#stream, 'data')) if ((match = pattern.exec(this.text)) !== null) return match
  }
}
