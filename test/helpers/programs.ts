import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startCommand, type Command } from './command.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Starts a program of the repository with Node, in the given working directory and with nothing but the given environment. */
export function startProgram (t: Test, file: string, args: string[], { cwd = ROOT, env = {} }: { cwd?: string, env?: Record<string, string> } = {}): Command {
  return startCommand(t, process.execPath, [`${ROOT}${file}`, ...args], { cwd, env: { PATH: process.env.PATH, ...env } })
}

/** Starts the service, built by `npm run build`. */
export function startService (t: Test, args: string[], options: { cwd: string, env?: Record<string, string> }): Command {
  return startProgram(t, 'dist/src/service/cli.js', args, options)
}

/** The address that the program says it listens on. */
export async function address (program: Command): Promise<string> {
  const [, url] = await program.output(/listening (?:at|on) (http:\/\/[\d.:]+)/)
  return url!
}
