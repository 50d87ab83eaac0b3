/** Tasks that begin in one turn of the event loop. Each takes some tenth of a millisecond. */
const EACH_TURN = 20

/** Has tasks begin a few at a time, so that thousands which are due together do not stop everything else. */
export class Turns {
  #left = EACH_TURN
  #waiting: Array<() => void> = []
  #isScheduled = false

  /** Resolves when it is a task's turn. */
  take (): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#serve()
    })
  }

  #serve (): void {
    while (this.#left > 0 && this.#waiting.length > 0) {
      this.#left--
      this.#waiting.shift()!()
    }
    if (this.#isScheduled || this.#left === EACH_TURN) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#left = EACH_TURN
      this.#serve()
    })
  }
}
