/**
 * A timer that is set for nearly every message and hardly ever rings: it is set anew without another timer, and
 * left to run out unheard. It keeps no process alive; the socket that it watches does.
 */
export class Alarm {
  readonly #ring: (milliseconds: number) => void
  #timer: NodeJS.Timeout | undefined
  #milliseconds = 0
  #set = false

  /** @param ring Gets the number of milliseconds after which it rings. */
  constructor (ring: (milliseconds: number) => void) {
    this.#ring = ring
  }

  /** From now on. */
  set (milliseconds: number): void {
    this.#set = true
    if (this.#timer !== undefined && this.#milliseconds === milliseconds) {
      this.#timer.refresh()
      return
    }
    // Another upstream, or another configuration of the same, may have other limits for the same connection.
    clearTimeout(this.#timer)
    this.#milliseconds = milliseconds
    this.#timer = setTimeout(() => { if (this.#set) this.#ring(milliseconds) }, milliseconds).unref()
  }

  unset (): void {
    this.#set = false
  }

  /** For good. */
  clear (): void {
    this.#set = false
    clearTimeout(this.#timer)
  }
}
