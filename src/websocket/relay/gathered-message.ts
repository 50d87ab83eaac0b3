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
  /** The frames, byte for byte. */
  readonly frames: Buffer[] = []
  /** How long these are. */
  size = 0
  readonly binary: boolean
  readonly compressed: boolean
  readonly #masked: boolean
  readonly #keepsPayload: boolean
  #payload = Buffer.alloc(0)
  /** Bytes of its payload. */
  length = 0
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
    this.#keepsPayload = keepsPayload
  }

  /**
   * Takes what has come of its open frame.
   *
   * @param bytes Copied, since the memory is used again.
   * @param begins Whether it begins with the header of the frame.
   */
  add (bytes: Buffer, begins: boolean, scanner: FrameScanner): void {
    const copy = Buffer.from(bytes)
    this.frames.push(copy)
    this.size += copy.length
    if (!this.#keepsPayload) return
    const at = begins ? scanner.headerLength : 0
    if (begins) {
      this.#position = 0
      this.#key = this.#masked ? copy.readInt32LE(at - 4) : 0
    }
    const part = copy.subarray(at)
    if (part.length === 0) return
    this.#reserve(part.length, scanner.remaining)
    copyMasked(part, this.#payload, this.length, this.#key, this.#position)
    this.length += part.length
    this.#position += part.length
  }

  get message (): Message {
    return { payload: this.#payload.subarray(0, this.length), binary: this.binary, compressed: this.compressed }
  }

  #reserve (length: number, remaining: number): void {
    const needed = this.length + length
    if (needed <= this.#payload.length) return
    const capacity = Math.max(needed, Math.min(needed + remaining, Math.max(FIRST_CAPACITY, this.#payload.length * 2)))
    const larger = Buffer.allocUnsafe(capacity)
    this.#payload.copy(larger, 0, 0, this.length)
    this.#payload = larger
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
