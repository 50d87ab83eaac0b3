import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startCommand } from './command.js'
import { temporaryFolder } from './temporary-folder.js'

const PROGRAM = fileURLToPath(new URL('notify-socket.py', import.meta.url))

/** A socket such as systemd gives to services. */
export interface NotifySocket {
  /** For NOTIFY_SOCKET. */
  path: string
  /** Waits for the next message: its assignments. */
  next (): Promise<Record<string, string>>
  /** How many messages have come. */
  readonly count: number
}

/** Opens it with Python, which has datagram sockets of Unix. */
export async function notifySocket (t: Test): Promise<NotifySocket> {
  const path = join(await temporaryFolder(t), 'notify')
  const receiver = startCommand(t, '/usr/bin/python3', [PROGRAM, path])
  await receiver.output(/"listening"\n/)
  let read = 1
  return {
    path,
    next: async () => {
      const [lines] = await receiver.output(new RegExp(`^(?:.*\\n){${++read}}`))
      const message = JSON.parse(lines.trimEnd().split('\n').at(-1)!) as string
      return Object.fromEntries(message.trimEnd().split('\n').map(line => {
        const [name, ...value] = line.split('=')
        return [name!, value.join('=')]
      }))
    },
    get count () { return receiver.stdout.trimEnd().split('\n').length - 1 }
  }
}
