import { AttemptTimeoutError } from '../../errors.js'
import { Cancellation } from '../../net/cancellation.js'

/** An attempt that is given up after a time, if another one could follow then; and with its handshake. */
export class LimitedAttempt {
  readonly cancellation = new Cancellation()
  readonly #handshake: Cancellation
  readonly #timer: NodeJS.Timeout

  /**
   * @param timeout Milliseconds.
   * @param mayMoveOn Asked when they are over.
   */
  constructor (handshake: Cancellation, timeout: number, mayMoveOn: () => boolean) {
    this.#handshake = handshake
    if (handshake.reason !== undefined) this.cancellation.cancel(handshake.reason)
    handshake.listener = reason => this.cancellation.cancel(reason)
    this.#timer = setTimeout(() => {
      if (mayMoveOn()) this.cancellation.cancel(new AttemptTimeoutError({ cause: new Error(`no response to the handshake within ${timeout} ms`) }))
    }, timeout).unref()
  }

  /** It is over, one way or the other. */
  end (): void {
    clearTimeout(this.#timer)
    this.#handshake.listener = undefined
  }
}
