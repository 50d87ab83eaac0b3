/** Milliseconds until the first attempt to reconnect; each further one waits twice as long, up to the limit. */
const FIRST_WAIT = 500
const LONGEST_WAIT = 10_000

/** How long to wait before the next attempt to reconnect. Pages that lost their gateway together come back apart. */
export class BackOff {
  #wait = FIRST_WAIT

  next (): number {
    const wait = this.#wait * (0.75 + Math.random() / 2)
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT)
    return wait
  }

  /** An attempt was successful. */
  reset (): void {
    this.#wait = FIRST_WAIT
  }
}
