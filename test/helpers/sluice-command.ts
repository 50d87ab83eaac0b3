import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startCommand, type Command } from './command.js'

const CLI = fileURLToPath(new URL('../../dist/src/service/cli.js', import.meta.url))

/** The `sluice` command as built by `npm run build`, listening on a free port of 127.0.0.1. */
export interface SluiceCommand extends Command {
  readonly url: string
}

export async function startSluice (t: Test, args: string[]): Promise<SluiceCommand> {
  const command = startCommand(t, process.execPath, [CLI, ...args, '--port', '0'])
  return Object.assign(command, { url: await listeningUrl(command) })
}

/** The address in the command's log line `Server listening at …`. */
export async function listeningUrl (command: Command): Promise<string> {
  const [, url] = await command.output(/Server listening at (https?:\/\/[^"\s]+)/)
  return url!
}
