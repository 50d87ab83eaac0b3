import { mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { selfSigned, type Certificate } from '../test/helpers/certificates.js'
import type { LoadLimits, LoadResult } from './load/closed-loop.js'
import type { Address } from './load/connect.js'
import type { LoadMessage, Operation } from './load/main.js'
import type { TargetPorts } from './load/target.js'
import type { Peer, PeerSetup, Tls } from './peers/peer.js'
import type { ServerMessage } from './peers/servers/serve.js'
import { residentKibibytes } from './proc.js'
import { Core, freePort, start, type Running } from './processes.js'

const BASE_SESSIONS = 1_000

/** The process with the target and the load, on its core. */
export class Load {
  readonly #process: Running
  readonly #ports: TargetPorts
  readonly #certificate: Certificate

  private constructor (process: Running, ports: TargetPorts, certificate: Certificate) {
    this.#process = process
    this.#ports = ports
    this.#certificate = certificate
  }

  static async start (): Promise<Load> {
    const running = start('the load', [process.execPath, '--import=tsx', 'bench/load/main.ts'], { core: Core.load, ipc: true })
    const certificate = await selfSigned({ teardown: remove => process.once('exit', remove) }, 'IP:127.0.0.1')
    const { certFile, keyFile } = certificate
    const ports = await running.ask<TargetPorts>({ do: 'target', certFile, keyFile } satisfies LoadMessage, 10_000)
    return new Load(running, ports, certificate)
  }

  /** What a proxy of the target is started with. */
  proxySetup (tlsSide: Tls['side'] | undefined): Pick<PeerSetup, 'targetPort' | 'tls'> {
    const { certFile, keyFile } = this.#certificate
    return {
      targetPort: tlsSide === 'target' ? this.#ports.tlsPort : this.#ports.port,
      ...(tlsSide !== undefined && { tls: { side: tlsSide, certFile, keyFile } })
    }
  }

  run (proxy: Proxy, operation: Operation, limits: LoadLimits): Promise<LoadResult> {
    return this.#ask({ do: 'load', operation, limits, address: proxy.address, pid: proxy.pid }, 2 * limits.patience + 20_000)
  }

  /**
   * Memory that an idle session costs a fresh proxy, in KiB.
   *
   * Told by what more sessions add to some that are open: the first ones also pay for whatever is made once.
   */
  async memoryPerSession (proxy: Proxy, sessions: number): Promise<number> {
    const open = (count: number) => this.#ask({ do: 'open idle', sessions: count, address: proxy.address }, 60_000)
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

  #ask<Reply> (message: LoadMessage, timeout: number): Promise<Reply> {
    return this.#process.ask<Reply>(message, timeout)
  }
}

/** A peer that runs, on its core. */
export class Proxy {
  readonly peer: Peer
  readonly address: Address
  readonly #process: Running

  private constructor (peer: Peer, process: Running, address: Address) {
    this.peer = peer
    this.#process = process
    this.address = address
  }

  /** Starts it in front of the load's target, with TLS on one side or none. */
  static async start (peer: Peer, load: Load, tlsSide?: Tls['side']): Promise<Proxy> {
    const folder = await mkdtemp(join(temporaryFolder(), 'peer-'))
    const port = await freePort()
    const command = await peer.command({ port, folder, ...load.proxySetup(tlsSide) })
    const running = start(peer.name, command, {
      core: Core.proxy,
      ipc: peer.isNode,
      env: { NODE_ENV: 'production', XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    })
    const proxy = new Proxy(peer, running, { port, tls: tlsSide === 'client' })
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
