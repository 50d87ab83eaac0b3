/** What a reader of chunks waits for next. */
type State = 'size' | 'extension' | 'end of line' | 'data' | 'CR' | 'LF' | 'over'

/** Bytes that the extensions of one chunk may have, behind the first semicolon. */
const MAX_EXTENSION = 16 * 1024
/** Bytes that the extensions of a body may have together, beyond two for each byte of its data. */
const MAX_EXCESS = 64 * 1024
/**
 * Extensions as a sender must write them: without space, and with every quote closed. Some would look for the end
 * of a quote on the next line.
 */
const EXTENSIONS = /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\]|\\.)*"))?)+$/
const CR = 0x0d
const LF = 0x0a

/** Takes a chunked body apart (RFC 9112 §7.1), however its bytes arrive. Extensions are dropped (§7.1.1). */
export class ChunkReader {
  /** What is wrong with it. */
  fault: string | undefined
  #state: State = 'size'
  #size = 0
  #digits = 0
  #extensions = ''
  /** Bytes of extensions beyond those that the data makes up for. */
  #excess = 0
  readonly #onData: (data: Buffer) => void

  /** @param onData Is given the body. */
  constructor (onData: (data: Buffer) => void) {
    this.#onData = onData
  }

  /** The last chunk has been read; trailers may follow. */
  get over (): boolean {
    return this.#state === 'over'
  }

  /** Begins with a new body. */
  begin (): void {
    this.#nextChunk()
    this.#excess = 0
    this.fault = undefined
  }

  /** Reads no more of this body. */
  stop (): void {
    this.#state = 'over'
  }

  /**
   * Reads some bytes.
   *
   * @returns Where it has stopped: behind the last chunk, at a fault, or at the end of the bytes.
   */
  read (bytes: Buffer, start: number): number {
    let at = start
    while (at < bytes.length && this.#state !== 'over' && this.fault === undefined) {
      if (this.#state === 'data') at = this.#passData(bytes, at)
      else this.#step(bytes[at++]!)
    }
    return at
  }

  #nextChunk (): void {
    this.#state = 'size'
    this.#size = this.#digits = 0
  }

  #passData (bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#size)
    this.#size -= end - at
    if (this.#size === 0) this.#state = 'CR'
    this.#onData(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    return end
  }

  #step (byte: number): void {
    switch (this.#state) {
      case 'size': {
        const digit = hexDigit(byte)
        if (digit !== -1) {
          this.#size = this.#size * 16 + digit
          // Beyond it, a number is no longer exact.
          if (++this.#digits > 13) this.fault = 'the size of a chunk is too large'
        } else if (this.#digits === 0) {
          this.fault = 'a chunk has no size'
        } else if (byte === 0x3b) {
          this.#state = 'extension'
          this.#extensions = ';'
        } else {
          this.#endOfSize(byte)
        }
        return
      }
      case 'extension':
        if (byte === CR && EXTENSIONS.test(this.#extensions)) this.#endOfExtensions()
        else if (isText(byte) && this.#extensions.length <= MAX_EXTENSION) this.#extensions += String.fromCharCode(byte)
        else this.fault = 'the extensions of a chunk are not as RFC 9112 has them, or too long'
        return
      case 'end of line':
        if (byte !== LF) this.fault = 'the line of the size of a chunk does not end in CR LF'
        else if (this.#size === 0) this.#state = 'over'
        else this.#state = 'data'
        return
      case 'CR':
        if (byte === CR) this.#state = 'LF'
        else this.fault = 'a chunk is longer than its size'
        return
      case 'LF':
        if (byte === LF) this.#nextChunk()
        else this.fault = 'a chunk does not end in CR LF'
    }
  }

  #endOfExtensions (): void {
    this.#excess = Math.max(0, this.#excess + this.#extensions.length - 2 * this.#size)
    if (this.#excess > MAX_EXCESS) this.fault = 'the extensions of its chunks are too long'
    else this.#endOfSize(CR)
  }

  #endOfSize (byte: number): void {
    if (byte === CR) this.#state = 'end of line'
    else this.fault = 'the size of a chunk is no number'
  }
}

function hexDigit (byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Tabs, and what is no control character. */
function isText (byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)
}
