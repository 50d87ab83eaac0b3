/**
 * A timer that is set for nearly every message and hardly ever rings: it is set anew without another timer, and
 * left to run out unheard. It keeps no process alive; the socket that it watches does.
 */
export class Alarm {
  readonly #milliseconds: number
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #set = false

  constructor (milliseconds: number, ring: () => void) {
    this.#milliseconds = milliseconds
    this.#ring = ring
  }

  /** From now on. */
  set (): void {
    this.#set = true
    if (this.#timer === undefined) this.#timer = setTimeout(() => { if (this.#set) this.#ring() }, this.#milliseconds).unref()
    else this.#timer.refresh()
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
