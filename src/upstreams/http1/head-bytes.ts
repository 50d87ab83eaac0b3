const NOTHING = Buffer.alloc(0)
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/** Collects a head, or trailers, up to the empty line at their end; at a cost that does not depend on how they are cut. */
export class HeadBytes {
  /** What stands before the empty line, once that has been found. */
  text = ''
  tooLong = false
  /** How many bytes there may be before the empty line. */
  limit = 0
  #memory: Buffer = NOTHING
  #length = 0

  /** What has been collected. */
  get bytes (): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  get length (): number {
    return this.#length
  }

  /** Begins anew, as if some bytes had come. */
  begin (bytes: Buffer = NOTHING): void {
    this.clear()
    if (bytes.length > 0) this.add(bytes)
  }

  /** Keeps no memory. */
  clear (): void {
    this.#memory = NOTHING
    this.#length = 0
  }

  /** @returns Where the empty line ends; undefined until all of it has come, or when that is too much. */
  take (bytes: Buffer, at: number): number | undefined {
    const before = this.#length
    if (before === 0) {
      const end = bytes.indexOf(END_OF_HEAD, at)
      if (end !== -1) return this.#found(bytes, at, end, end + END_OF_HEAD.length)
    }
    // More than may be is not copied. The rest is in memory that is used again.
    const room = this.limit + END_OF_HEAD.length - before
    this.add(bytes.subarray(at, at + room))
    // The last bytes may begin the empty line.
    const from = Math.max(0, before - END_OF_HEAD.length + 1)
    const found = before === 0 ? -1 : this.#memory.subarray(from, this.#length).indexOf(END_OF_HEAD)
    if (found !== -1) {
      const end = from + found
      return this.#found(this.#memory, 0, end, at + end + END_OF_HEAD.length - before)
    }
    this.tooLong = this.#length - END_OF_HEAD.length + 1 > this.limit
    return undefined
  }

  #found (bytes: Buffer, start: number, end: number, behind: number): number | undefined {
    this.tooLong = end - start > this.limit
    if (this.tooLong) return undefined
    this.text = bytes.toString('latin1', start, end)
    this.clear()
    return behind
  }

  /** Keeps bytes without a look for the empty line. */
  add (bytes: Buffer): void {
    const length = this.#length + bytes.length
    if (length > this.#memory.length) {
      const memory = Buffer.allocUnsafe(Math.max(length, 2 * this.#memory.length))
      this.#memory.copy(memory, 0, 0, this.#length)
      this.#memory = memory
    }
    bytes.copy(this.#memory, this.#length)
    this.#length = length
  }
}
