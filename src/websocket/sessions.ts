import { CloseCode } from './frames.js'
import type { Session } from './session.js'

/** The live sessions of a gateway, and how they all end. */
export class Sessions {
  readonly #live = new Set<Session>()
  readonly #stop = new AbortController()
  #onEmpty: (() => void) | undefined

  /** Aborted when the gateway begins to stop: handshakes under way are given up, new ones refused. */
  get stopping (): AbortSignal {
    return this.#stop.signal
  }

  /** How many sessions are open. */
  get size (): number {
    return this.#live.size
  }

  add (session: Session): void {
    this.#live.add(session)
  }

  delete (session: Session): void {
    this.#live.delete(session)
    if (this.#live.size === 0) this.#onEmpty?.()
  }

  /**
   * Tells every session Close 1001 and resolves when all have ended. What is left after `timeout`
   * milliseconds is destroyed.
   */
  async drain (timeout: number): Promise<void> {
    this.#stop.abort()
    for (const session of this.#live) session.close(CloseCode.goingAway, '')
    if (this.#live.size === 0) return
    const empty = new Promise<void>(resolve => { this.#onEmpty = resolve })
    const timer = setTimeout(() => {
      for (const session of this.#live) session.destroy()
    }, timeout)
    await empty
    clearTimeout(timer)
  }
}
