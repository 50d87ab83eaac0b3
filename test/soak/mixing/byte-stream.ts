const BLOCK = 64 * 1024

/**
 * Pseudo-random bytes (xorshift32), the same for the same number, so that each end of an exchange can make them for
 * itself. No two numbers have a part in common.
 */
export class ByteStream {
  /** How many bytes have been taken or checked. */
  position = 0
  #state: number
  readonly #words = new Uint32Array(BLOCK / 4)
  readonly #block = Buffer.from(this.#words.buffer)
  /** How many bytes of the block have been used. */
  #used = BLOCK

  constructor (number: number) {
    // The state must not be zero, and those of neighbours must be far apart.
    this.#state = (Math.imul(number + 1, 0x9e3779b1) ^ 0x5bd1e995) || 1
  }

  /** The next bytes. */
  take (length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length;) {
      const from = this.#next(length - at)
      at += this.#block.copy(bytes, at, from, this.#used)
    }
    return bytes
  }

  /** Takes the next bytes, and gives whether these are they. */
  check (bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length;) {
      const from = this.#next(bytes.length - at)
      const count = this.#used - from
      if (this.#block.compare(bytes, at, at + count, from, this.#used) !== 0) return false
      at += count
    }
    return true
  }

  /** Uses at most so many bytes of the block, and gives where they begin. */
  #next (wanted: number): number {
    if (this.#used === BLOCK) {
      let state = this.#state
      for (let index = 0; index < BLOCK / 4; index++) {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        this.#words[index] = state
      }
      this.#state = state
      this.#used = 0
    }
    const from = this.#used
    this.#used = Math.min(BLOCK, from + wanted)
    this.position += this.#used - from
    return from
  }
}
