/** Draws what has changed, at most once a frame: not at all while the page is not seen, and all of it afterwards. */
export class Schedule<Name extends string> {
  readonly #parts: Record<Name, () => void>
  readonly #waiting = new Set<Name>()
  #frame: number | undefined
  #isPaused = false

  constructor (parts: Record<Name, () => void>) {
    this.#parts = parts
  }

  get isPaused (): boolean {
    return this.#isPaused
  }

  /** What changes meanwhile is drawn when the pause is over. */
  set isPaused (isPaused: boolean) {
    this.#isPaused = isPaused
    this.#request()
  }

  soon (...names: Name[]): void {
    for (const name of names) this.#waiting.add(name)
    this.#request()
  }

  /** Draws even during a pause what somebody has asked for. */
  now (name: Name): void {
    this.#waiting.delete(name)
    this.#parts[name]()
  }

  #request (): void {
    if (this.#isPaused || this.#waiting.size === 0) return
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined
      if (this.#isPaused) return
      for (const name of this.#waiting) this.#parts[name]()
      this.#waiting.clear()
    })
  }
}
