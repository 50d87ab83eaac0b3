import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Command } from '../../../helpers/command.js'

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await once(socket, 'connect').then(() => true, () => false)
  socket.destroy()
  return connected
}

/** Waits until a program accepts connections on the port that it was given. */
export async function accepting (port: number, command: Command): Promise<void> {
  let end: unknown
  command.ended.then(code => { end = code }, () => {})
  while (!await accepts(port)) {
    if (end !== undefined) throw new Error(`ended with ${String(end)}: ${command.stdout}`)
    await setTimeout(20)
  }
}

export async function refuses (port: number): Promise<void> {
  while (await accepts(port)) await setTimeout(20)
}

/** A program with processes of its own ends them when it gets SIGTERM, and cannot when it is killed. */
export function endWithSigterm (t: Test, command: Command): void {
  t.teardown(async () => {
    command.kill('SIGTERM')
    await command.ended
  })
}

/** The processes that a process has started and that still run. */
export function childrenOf (pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(pid => pid !== '')
}
