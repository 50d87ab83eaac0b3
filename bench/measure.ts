import { mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { LoadLimits, LoadResult } from './load/closed-loop.js'
import type { LoadMessage, Operation } from './load/main.js'
import type { Peer } from './peers/peer.js'
import type { ServerMessage } from './peers/servers/serve.js'
import { residentKibibytes } from './proc.js'
import { Core, freePort, start, type Running } from './processes.js'

const BASE_SESSIONS = 1_000

/** The process with the target and the load, on its core. */
export class Load {
  readonly targetPort: number
  readonly #process: Running

  private constructor (process: Running, targetPort: number) {
    this.#process = process
    this.targetPort = targetPort
  }

  static async start (): Promise<Load> {
    const running = start('the load', [process.execPath, '--import=tsx', 'bench/load/main.ts'], { core: Core.load, ipc: true })
    const { port } = await running.ask<{ port: number }>({ do: 'target' } satisfies LoadMessage, 10_000)
    return new Load(running, port)
  }

  run (proxy: Proxy, operation: Operation, limits: LoadLimits): Promise<LoadResult> {
    return this.#ask({ do: 'load', operation, limits, port: proxy.port, pid: proxy.pid }, 2 * limits.patience + 20_000)
  }

  /**
   * Memory that an idle session costs a fresh proxy, in KiB.
   *
   * Told by what more sessions add to some that are open: the first ones also pay for whatever is made once.
   */
  async memoryPerSession (proxy: Proxy, sessions: number): Promise<number> {
    const open = (count: number) => this.#ask({ do: 'open idle', sessions: count, port: proxy.port }, 60_000)
    await open(BASE_SESSIONS)
    const before = await proxy.residentKibibytes()
    await open(sessions)
    const after = await proxy.residentKibibytes()
    await this.#ask({ do: 'close idle' }, 10_000)
    return (after - before) / sessions
  }

  get hasExited (): boolean {
    return this.#process.hasExited
  }

  async stop (): Promise<void> {
    await this.#process.stop()
  }

  #ask<Answer> (message: LoadMessage, timeout: number): Promise<Answer> {
    return this.#process.ask<Answer>(message, timeout)
  }
}

/** A peer that runs, on its core. */
export class Proxy {
  readonly peer: Peer
  readonly port: number
  readonly #process: Running

  private constructor (peer: Peer, process: Running, port: number) {
    this.peer = peer
    this.#process = process
    this.port = port
  }

  static async start (peer: Peer, targetPort: number): Promise<Proxy> {
    const folder = await mkdtemp(join(temporaryFolder(), 'peer-'))
    const port = await freePort()
    const command = await peer.command({ port, targetPort, folder })
    const running = start(peer.name, command, {
      core: Core.proxy,
      ipc: peer.isNode,
      env: { NODE_ENV: 'production', XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    })
    const proxy = new Proxy(peer, running, port)
    try {
      await running.listening(port)
    } catch (error) {
      await proxy.stop()
      throw error
    }
    return proxy
  }

  get pid (): number {
    return this.#process.pid
  }

  /** Garbage is not counted, where it can be collected on demand. */
  async residentKibibytes (): Promise<number> {
    await wait(300)
    if (this.peer.isNode) {
      await this.ask({ do: 'collect garbage' })
      await wait(200)
    }
    return residentKibibytes(this.pid)
  }

  /** Only where the peer is a program in Node. */
  async ask (message: ServerMessage): Promise<void> {
    await this.#process.ask(message, 30_000)
  }

  async stop (): Promise<void> {
    await this.#process.stop()
  }
}

let folderOfRun: string | undefined

/** For all that the peers write. Removed when this process exits, however it does. */
function temporaryFolder (): string {
  if (folderOfRun === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    folderOfRun = folder
  }
  return folderOfRun
}
