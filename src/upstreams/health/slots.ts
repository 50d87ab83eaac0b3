/** Runs so many tasks at a time, the others behind them in their order. */
export class Slots {
  readonly #waiting: Array<() => Promise<void>> = []
  #free: number

  constructor (count: number) {
    this.#free = count
  }

  run (task: () => Promise<void>): void {
    if (this.#free === 0) {
      this.#waiting.push(task)
      return
    }
    this.#free--
    task().finally(() => {
      this.#free++
      const next = this.#waiting.shift()
      if (next !== undefined) this.run(next)
    })
  }
}
