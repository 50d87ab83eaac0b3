import type { FastifyBaseLogger } from 'fastify'
import type { EndReason, SessionEnd, WebSocketSession } from '../types.js'

/** The log lines of @fastify/http-proxy about `wsReconnect` (its `logs`), in its words, with the target. */
export class ReconnectLines {
  readonly #log: FastifyBaseLogger
  /** Sessions that have no target. */
  readonly #without = new WeakSet<WebSocketSession>()

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** An attempt waits. */
  waiting (session: WebSocketSession, attempt: number, reason: EndReason, milliseconds: number): void {
    const { target } = session
    if (this.#without.has(session)) {
      this.#log.error({ target, attempts: attempt - 1 }, 'proxy ws reconnect error')
    } else {
      if (reason === 'ping-timeout') this.#log.warn({ target }, 'proxy ws connection is broken')
      this.#without.add(session)
      // Behind the line before, as the end of a connection is behind what makes it broken.
      setImmediate(() => this.#log.warn({ target, reason }, 'proxy ws target close event'))
    }
    setImmediate(() => this.#log.warn({ target }, `proxy ws reconnect in ${milliseconds} ms`))
  }

  reconnected (session: WebSocketSession): void {
    this.#without.delete(session)
    this.#log.info({ target: session.target }, 'proxy ws reconnected')
  }

  ended (session: WebSocketSession, { by, code }: SessionEnd): void {
    const { target } = session
    if (this.#without.delete(session) && by === 'target') {
      this.#log.error({ target }, 'proxy ws reconnect error')
      setImmediate(() => this.#log.error({ target }, 'proxy ws failed to reconnect! No more retries'))
    } else if (by !== 'gateway') {
      this.#log.warn({ target, code }, `proxy ws ${by === 'client' ? 'source' : 'target'} close event`)
    }
    setImmediate(() => this.#log.info('proxy ws close link'))
  }
}
