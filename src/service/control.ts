import { chmod, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigInvalidError, UsageError } from '../errors.js'
import type { ReloadOutcome } from '../types.js'

/** Milliseconds in which a connected client must send its command. */
const ASK_TIMEOUT = 5_000
/** Longest request. */
const LONGEST_ASK = 64

/** What a service can be asked, each on a line. */
export type ControlCommand = 'reload' | 'restart' | 'restart --keep-sessions'

/** What it does then. */
export type ControlCommands = { readonly [Command in ControlCommand]: () => Promise<ReloadOutcome> }

/**
 * Where a service can be asked to reload, by the user that runs it: a socket beside its pid file, or named by its process
 * id in a folder that is that user's alone.
 */
function socketOf (pid: number, pidFile: string | undefined): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\sluice-${pid}`
  return pidFile === undefined ? join(folder(), `${pid}.sock`) : `${pidFile}.sock`
}

function folder (): string {
  const { XDG_RUNTIME_DIR: runtime } = process.env
  return join(runtime !== undefined && runtime !== '' ? runtime : tmpdir(), `sluice-${process.getuid?.() ?? 0}`)
}

/** @throws {Error} when somebody else might have a hand in it. */
async function ownFolder (): Promise<void> {
  await mkdir(folder(), { recursive: true, mode: 0o700 })
  const { uid, mode } = await lstat(folder())
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) throw new Error(`the folder ${folder()} is not this user's alone`)
}

/**
 * Lets the service be asked, until the result is called.
 *
 * @param commands What each request does.
 * @param pidFile Gets the process id. Default: no file.
 * @throws Node's error, when the file or the socket cannot be made.
 */
export async function openControl (commands: ControlCommands, pidFile: string | undefined): Promise<() => Promise<void>> {
  const path = socketOf(process.pid, pidFile)
  if (pidFile === undefined) {
    if (process.platform !== 'win32') {
      await ownFolder()
      await sweep()
    }
  } else {
    await writeFile(pidFile, `${process.pid}\n`)
  }
  // What a process of the same id has left behind, or one of the same pid file.
  if (process.platform !== 'win32') await rm(path, { force: true })
  const server: Server = createServer({ allowHalfOpen: true }, socket => {
    let asked = ''
    socket.setEncoding('utf8').setTimeout(ASK_TIMEOUT, () => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      asked += text
      if (asked.length > LONGEST_ASK) socket.destroy()
    })
    socket.once('end', () => {
      // It takes as long as plugins take.
      socket.setTimeout(0)
      const command = asked.replace(/\n$/, '')
      if (!Object.hasOwn(commands, command)) socket.end(JSON.stringify({ ok: false, text: 'There is no such request.' }))
      else commands[command as ControlCommand]().then(response => socket.end(JSON.stringify(response)), () => socket.destroy())
    })
  })
  server.listen(path)
  await once(server, 'listening')
  if (process.platform !== 'win32') await chmod(path, 0o600)
  server.on('error', () => {}).unref()
  return async () => {
    server.close()
    await rm(path, { force: true })
    if (pidFile !== undefined) await rm(pidFile, { force: true })
  }
}

/**
 * Asks a service that runs.
 *
 * @throws {UsageError} when it is not said which of several.
 * @throws {ConfigInvalidError} if none is running.
 */
export async function askService (command: ControlCommand, { pid, pidFile }: { pid?: number, pidFile?: string }): Promise<ReloadOutcome> {
  if (pid !== undefined && pidFile !== undefined) throw new UsageError('Both --pid and --pid-file are given. Leave one of them out.')
  const chosen = pidFile !== undefined ? await readPidFile(pidFile) : pid ?? await onlyOne()
  const socket = connect({ path: socketOf(chosen, pidFile), allowHalfOpen: true })
  try {
    await once(socket, 'connect')
    socket.end(`${command}\n`)
    let text = ''
    for await (const chunk of socket.setEncoding('utf8')) text += chunk
    return JSON.parse(text) as ReloadOutcome
  } catch (error) {
    throw new ConfigInvalidError(`The service with the process id ${chosen} did not respond (${(error as NodeJS.ErrnoException).code ?? 'it ended'}). Does it run, and as this user?`)
  }
}

async function readPidFile (file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigInvalidError(`${file}: cannot be read: ${error.code === 'ENOENT' ? 'there is no such file. Does the service run with this --pid-file?' : error.message}`)
  })
  if (!/^\d+\s*$/.test(text)) throw new ConfigInvalidError(`${file}: holds no process id`)
  return Number(text)
}

/** The service that this user runs. */
async function onlyOne (): Promise<number> {
  if (process.platform === 'win32') throw new UsageError('Say which service is meant: --pid or --pid-file.')
  const running: number[] = []
  // The process id of one that was killed may be another program's by now.
  for (const pid of await known()) if (isAlive(pid) && await responds(pid)) running.push(pid)
  if (running.length === 0) throw new ConfigInvalidError('No service of this user was found. Say which is meant: --pid or --pid-file.')
  if (running.length > 1) throw new UsageError(`Several services run: ${running.join(', ')}. Say which is meant with --pid.`)
  return running[0]!
}

/** The process ids of this user's services, of which some may be gone. */
async function known (): Promise<number[]> {
  const names = await readdir(folder()).catch(() => [])
  return names.map(name => Number(/^(\d+)\.sock$/.exec(name)?.[1])).filter(pid => pid > 0)
}

async function responds (pid: number): Promise<boolean> {
  const socket = connect(socketOf(pid, undefined))
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Removes what services have left behind that were killed. */
async function sweep (): Promise<void> {
  for (const pid of await known()) if (!isAlive(pid)) await rm(socketOf(pid, undefined), { force: true })
}

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
