import type { TargetConnection } from './connection.js'

/**
 * Milliseconds for which a connection is not used behind a response that has no body by its nature. What a target writes
 * right behind the head may wait for its acknowledgement (Nagle), and that for 40 ms, or for the next request, which
 * would then be met by these bytes.
 */
const SETTLES = 60

/**
 * Connections behind a response to HEAD, or a 204 or 304. A target may send a body that must not come (RFC 9112 §6.3),
 * and later: as long as nobody waits for a response on its connection, that ends the connection and does no harm.
 */
export class SettlingConnections {
  /** Each with the time at which it has settled, as `performance.now()` counts; in that order. */
  readonly #connections = new Map<TargetConnection, number>()
  readonly #onSettled: (connection: TargetConnection) => void
  #timer: NodeJS.Timeout | undefined

  /** @param onSettled Is given each that is still there. */
  constructor (onSettled: (connection: TargetConnection) => void) {
    this.#onSettled = onSettled
  }

  add (connection: TargetConnection): void {
    this.#connections.set(connection, performance.now() + SETTLES)
    this.#timer ??= setTimeout(this.#settle, SETTLES).unref()
  }

  delete (connection: TargetConnection): void {
    this.#connections.delete(connection)
  }

  /** The one that has been there longest, to be closed in favour of another. */
  shift (): TargetConnection | undefined {
    const connection = this.#connections.keys().next().value
    if (connection !== undefined) this.#connections.delete(connection)
    return connection
  }

  readonly #settle = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (const [connection, time] of this.#connections) {
      if (time > now) {
        this.#timer = setTimeout(this.#settle, Math.ceil(time - now)).unref()
        return
      }
      this.#connections.delete(connection)
      this.#onSettled(connection)
    }
  }
}
