import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { connect, createServer, type AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('..', import.meta.url))
const canPin = spawnSync('taskset', ['-c', '1', 'true']).status === 0

/** The proxies have one core, the target and the load the other. */
export const Core = { proxy: 0, load: 1 } as const

export interface StartOptions {
  /** Its processor, or several as taskset has them. */
  core: number | string
  /** The program is one of ours and talks over IPC. */
  ipc?: boolean
  env?: NodeJS.ProcessEnv
}

/** A process that this run has started. */
export class Running {
  readonly name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #stderr = ''

  constructor (name: string, child: ChildProcess) {
    this.name = name
    this.#child = child
    this.#exited = new Promise(resolve => child.once('exit', () => resolve()).once('error', () => resolve()))
    child.on('error', error => { this.#stderr += String(error) })
    child.stderr!.on('data', (chunk: Buffer) => { this.#stderr = (this.#stderr + String(chunk)).slice(-4000) })
  }

  get pid (): number {
    return this.#child.pid!
  }

  get hasExited (): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Sends a message and waits for the response to it. One at a time. */
  async ask<Reply> (message: object, timeout: number): Promise<Reply> {
    const child = this.#child
    return new Promise<Reply>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        child.off('message', onMessage).off('exit', onExit)
      }
      const fail = (reason: string) => {
        settle()
        reject(new Error(`${this.name}: ${reason}`))
      }
      const onMessage = (answer: { error?: string }) => {
        if (answer.error !== undefined) return fail(answer.error)
        settle()
        resolve(answer as Reply)
      }
      const onExit = () => fail(`it has exited\n${this.#stderr}`)
      const timer = setTimeout(() => fail(`no response within ${timeout} ms\n${this.#stderr}`), timeout)
      child.on('message', onMessage).once('exit', onExit)
      child.send(message, error => { if (error !== null) fail(error.message) })
    })
  }

  /** Resolves when it accepts connections. */
  async listening (port: number): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      if (this.hasExited) break
      if (await accepts(port)) return
      await wait(50)
    }
    throw new Error(`${this.name} does not listen on port ${port}\n${this.#stderr}`)
  }

  async stop (): Promise<void> {
    this.#child.kill('SIGTERM')
    const patience = new AbortController()
    await Promise.race([this.#exited, wait(1000, undefined, { signal: patience.signal }).catch(() => {})])
    patience.abort()
    this.kill()
  }

  kill (): void {
    // Signals nothing once the exit has been seen.
    this.#child.kill('SIGKILL')
  }
}

const running = new Set<Running>()

/** Starts a program on one core. */
export function start (name: string, [program, ...args]: [string, ...string[]], { core, ipc = false, env }: StartOptions): Running {
  const command = canPin ? ['taskset', '-c', String(core), program, ...args] : [program, ...args]
  const child = spawn(command[0]!, command.slice(1), {
    cwd: repository,
    env: { ...process.env, ...env },
    stdio: ipc ? ['ignore', 'ignore', 'pipe', 'ipc'] : ['ignore', 'ignore', 'pipe']
  })
  const started = new Running(name, child)
  running.add(started)
  child.once('exit', () => running.delete(started))
  return started
}

/** Ends what is still running, however this process ends. */
export function cleanUpAtExit (): void {
  process.once('exit', () => { for (const started of running) started.kill() })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      stopAll().finally(() => process.exit(1))
    })
  }
}

export async function stopAll (): Promise<void> {
  await Promise.all([...running].map(started => started.stop()))
}

export const isPinned = canPin

/** A port that was free a moment ago. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

function accepts (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}
