import type { FastifyBaseLogger } from 'fastify'
import type { GatewayConfig } from '../options/index.js'
import type { ReloadOutcome } from '../types.js'
import type { Reloaded } from './changes.js'
import { openGateway, type RunningGateway } from './running-gateway.js'
import { partsOf, type Settings } from './settings.js'

/** How workers are replaced. */
export interface RestartOptions {
  /** Whether the sessions of a worker that is replaced go on until they end by themselves. */
  keepSessions: boolean
}

/** The service that the command runs, in one process or in several. */
export interface Service {
  readonly log: FastifyBaseLogger
  /** The configuration in force. */
  readonly config: GatewayConfig
  /** Puts the configuration in force again, for the admin API. */
  readAgain: (() => Promise<ReloadOutcome>) | undefined
  /** @returns The address, such as http://127.0.0.1:8080. */
  listen (): Promise<string>
  /** @param read Gives the settings, once it is their turn. */
  reload (read: () => Promise<Settings>): Promise<Reloaded>
  /** Replaces all workers by new processes, one after another. */
  restart (options: RestartOptions): Promise<ReloadOutcome>
  /** Opens the file of the log anew. */
  reopenLog (): void
  /** Ends the open sessions and stops listening. */
  close (): Promise<void>
}

/** The service in a single process: this one. */
export class SingleService implements Service {
  readonly #gateway: RunningGateway

  private constructor (gateway: RunningGateway) {
    this.#gateway = gateway
  }

  /** @throws What is wrong with the configuration or a plugin. */
  static async open (settings: Settings): Promise<SingleService> {
    const gateway = openGateway(partsOf(settings))
    await gateway.filled
    return new SingleService(gateway)
  }

  get log (): FastifyBaseLogger {
    return this.#gateway.app.log
  }

  get config (): GatewayConfig {
    return this.#gateway.parts.config
  }

  get readAgain (): (() => Promise<ReloadOutcome>) | undefined {
    return this.#gateway.readAgain
  }

  set readAgain (readAgain: (() => Promise<ReloadOutcome>) | undefined) {
    this.#gateway.readAgain = readAgain
  }

  listen (): Promise<string> {
    return this.#gateway.listen()
  }

  async reload (read: () => Promise<Settings>): Promise<Reloaded> {
    return await this.#gateway.reload(async () => {
      const settings = await read()
      if (settings.config.workers !== undefined) this.log.warn("'workers' takes effect when the service is started again: now it is a single process.")
      return partsOf(settings)
    })
  }

  async restart (): Promise<ReloadOutcome> {
    return { ok: false, text: 'The service is a single process, which cannot replace itself. Start it with --workers (one is enough) for restarts that refuse nobody.' }
  }

  reopenLog (): void {
    this.#gateway.reopenLog()
  }

  close (): Promise<void> {
    return this.#gateway.close()
  }
}
