import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** How often it is looked whether the shell is still there, in milliseconds: the system tells nobody but its parent. */
const INTERVAL = 500

/**
 * Notices that the shell has gone which npm started this process with. `npx sluice` and `npm start` run it in a shell, and
 * pass SIGTERM on to the shell alone, which ends without a word to its child: the service would go on, with nobody that
 * knows it.
 *
 * A service whose parent ends for other reasons, as with nohup, setsid, `&` or a process manager, must live on. So it is
 * looked only where the shell has nothing to do but to wait for this process, and then ends before it by a signal alone.
 *
 * @param onGone Called once.
 * @returns A function that ends it.
 */
export function watchNpmShell (onGone: () => void, environment: NodeJS.ProcessEnv = process.env): () => void {
  const shell = process.ppid
  if (environment.npm_lifecycle_script === undefined || !isWaitingShell(environment.npm_lifecycle_script, commandOf(shell))) return () => {}
  const timer = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(timer)
    onGone()
  }, INTERVAL).unref()
  return () => clearInterval(timer)
}

/**
 * Whether a process is a shell that runs a script of npm's, which is this command and nothing else.
 *
 * @param script What npm says that it runs; of npx, without the arguments.
 * @param command The arguments of the process, of which the first is its program; undefined where they are not known.
 */
export function isWaitingShell (script: string, command: readonly string[] | undefined): boolean {
  const [program = '', flag, run = ''] = command ?? []
  if (!/(^|\/|^-)(ba|da|z|k|a)?sh$/.test(program) || flag !== '-c' || !run.startsWith(script)) return false
  // An operator of the shell, outside of quotes, means that there is more to do, or that nobody waits.
  const bare = run.replace(/'[^']*'|"[^"$`]*"/g, quoted => quoted.slice(1, -1).replace(/[^\w/.-]/g, '_'))
  return /^(?:(?:\S*\/)?sluice|node \S*\/service\/cli\.js)(?:\s|$)/.test(bare) && !/[;&|<>()`$\n]/.test(bare)
}

/** The arguments of a process; undefined where they cannot be had. */
function commandOf (pid: number): string[] | undefined {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    if (process.platform === 'win32') return undefined
    const text = execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', timeout: 2_000 }).trim()
    const [program = '', flag = ''] = text.split(' ', 2)
    return [program, flag, text.slice(program.length + flag.length + 2)]
  } catch {
    return undefined
  }
}
