import { copyMasked } from './masking.js'
import { Opcode, RSV1, type FrameScanner } from './frames.js'

/** A whole message, as a direction has it looked at. */
export interface Message {
  /** Unmasked, in memory of its own. */
  payload: Buffer
  binary: boolean
  /** Whether the payload is that of permessage-deflate. */
  compressed: boolean
}

/** No more is set aside for a frame before it has come. */
const FIRST_CAPACITY = 64 * 1024

/** The message that is open: its frames as they came, and its payload, unmasked. */
export class GatheredMessage {
  readonly binary: boolean
  readonly compressed: boolean
  readonly #masked: boolean
  /** In one piece: a client may cut them into very many. */
  readonly #frames = new GrowingBuffer()
  readonly #payload: GrowingBuffer | undefined
  /** Of the open frame. */
  #key = 0
  #position = 0

  /**
   * @param scanner It has just passed the header of the message's first frame.
   * @param keepsPayload Whether the payload is needed, not only the frames.
   */
  constructor (scanner: FrameScanner, masked: boolean, keepsPayload: boolean) {
    this.binary = scanner.opcode === Opcode.binary
    this.compressed = (scanner.firstByte & RSV1) !== 0
    this.#masked = masked
    if (keepsPayload) this.#payload = new GrowingBuffer()
  }

  /** The frames, byte for byte. */
  get frames (): Buffer[] {
    return [this.#frames.content]
  }

  /** How long these are. */
  get size (): number {
    return this.#frames.length
  }

  /** Bytes of its payload. */
  get length (): number {
    return this.#payload?.length ?? 0
  }

  /**
   * Takes what has come of its open frame.
   *
   * @param bytes Copied, since the memory is used again.
   * @param begins Whether it begins with the header of the frame.
   */
  add (bytes: Buffer, begins: boolean, scanner: FrameScanner): void {
    const at = this.#frames.reserve(bytes.length, scanner.remaining)
    bytes.copy(this.#frames.memory, at)
    if (this.#payload === undefined) return
    const header = begins ? scanner.headerLength : 0
    if (begins) {
      this.#position = 0
      this.#key = this.#masked ? bytes.readInt32LE(header - 4) : 0
    }
    const part = bytes.subarray(header)
    if (part.length === 0) return
    const offset = this.#payload.reserve(part.length, scanner.remaining)
    copyMasked(part, this.#payload.memory, offset, this.#key, this.#position)
    this.#position += part.length
  }

  get message (): Message {
    return { payload: this.#payload?.content ?? Buffer.alloc(0), binary: this.binary, compressed: this.compressed }
  }
}

/** Memory that grows with what comes. */
class GrowingBuffer {
  memory = Buffer.alloc(0)
  length = 0

  get content (): Buffer {
    return this.memory.subarray(0, this.length)
  }

  /**
   * Makes room for some bytes, and gives their offset.
   *
   * @param remaining How many more are announced.
   */
  reserve (length: number, remaining: number): number {
    const at = this.length
    this.length += length
    if (this.length > this.memory.length) {
      // Twice as much each time, lest very many small parts be copied each time that one comes.
      const capacity = Math.max(this.length, at === 0 ? Math.min(this.length + remaining, FIRST_CAPACITY) : this.memory.length * 2)
      const larger = Buffer.allocUnsafe(capacity)
      this.memory.copy(larger, 0, 0, at)
      this.memory = larger
    }
    return at
  }
}

/** The message of a single frame that has come whole. */
export function messageOf (frame: Buffer, scanner: FrameScanner, masked: boolean): Message {
  const at = scanner.headerLength
  const content = frame.subarray(at)
  const payload = Buffer.allocUnsafe(content.length)
  if (masked) copyMasked(content, payload, 0, frame.readInt32LE(at - 4))
  else content.copy(payload)
  return { payload, binary: scanner.opcode === Opcode.binary, compressed: (scanner.firstByte & RSV1) !== 0 }
}
