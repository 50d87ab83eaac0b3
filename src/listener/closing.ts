import type { FastifyBaseLogger } from 'fastify'
import type { OpenConnections } from './open-connections.js'

/** What has to end when an app closes: one gateway, of a scope or of the whole app. */
export interface ClosingPart {
  /** Milliseconds that it has. */
  timeout: number
  /** Ends its sessions, those that are left after the timeout by force. */
  drain (): Promise<void>
  /** The time is up: ends its exchanges by force. */
  abort (): void
}

/** How often an app that closes looks for connections that have become idle, in milliseconds. */
const IDLE_CHECK = 100

/**
 * How an app ends: within its time, whatever its clients do. Fastify runs one hook after another, and waits for
 * every connection; so all gateways of a server begin at once, and when the time is up, all connections go.
 */
export class Closing {
  readonly #connections: OpenConnections
  readonly #log: FastifyBaseLogger
  readonly #parts = new Set<ClosingPart>()
  readonly #timers: NodeJS.Timeout[] = []
  #drained: Promise<unknown> | undefined

  /** @param connections Those of the app's server. */
  constructor (connections: OpenConnections, log: FastifyBaseLogger) {
    this.#connections = connections
    this.#log = log
  }

  add (part: ClosingPart): void {
    this.#parts.add(part)
  }

  /** Begins, if it has not begun. Resolves when the sessions of all parts have ended. */
  async begin (): Promise<void> {
    await (this.#drained ??= this.#begin())
  }

  #begin (): Promise<unknown> {
    const parts = [...this.#parts]
    this.#connections.closeIdle()
    // One that becomes idle later, kept alive by its client, would hold up the end until the keep-alive limit.
    this.#timers.push(setInterval(() => this.#connections.closeIdle(), IDLE_CHECK))
    for (const part of parts) this.#timers.push(setTimeout(() => part.abort(), part.timeout))
    // After the responses to the aborted exchanges, as far as they can be written at once.
    this.#timers.push(setTimeout(() => setImmediate(() => this.#destroy()), Math.max(...parts.map(({ timeout }) => timeout))))
    return Promise.all(parts.map(part => part.drain()))
  }

  #destroy (): void {
    const { size } = this.#connections
    if (size > 0) this.#log.info({ sockets: size }, 'drainTimeout is over, destroying the connections that are left')
    this.#connections.destroy()
  }

  /** Resolves when what was destroyed is closed: requests end with their connections, and have a line in the log. */
  async closed (): Promise<void> {
    if (this.#drained !== undefined) await this.#connections.closed()
  }

  /** A part has ended, with all that it waits for. */
  end (part: ClosingPart): void {
    this.#parts.delete(part)
    if (this.#parts.size === 0) for (const timer of this.#timers) clearTimeout(timer)
  }
}
