import { copyMasked } from './masking.js'
import { Opcode, RSV1, type FrameScanner } from './frames.js'

/** A whole message, as a direction has it looked at. */
export interface Message {
  /**
   * Unmasked, in memory of its own.
   *
   * @throws {TypeError} if it is first read after `release()`.
   */
  readonly payload: Buffer
  readonly binary: boolean
  /** Whether the payload is that of permessage-deflate. */
  readonly compressed: boolean
  /** Bytes that it keeps in memory, beside its frames. Whoever decompresses it adds what that makes. */
  size: number
  /** The memory that it came in is used again: what has not been read of it is gone. */
  release? (): void
  /** It is read later: it is copied now. */
  keep? (): void
}

/** No more is set aside for a frame before it has come. */
const FIRST_CAPACITY = 64 * 1024

/**
 * Bytes that come in parts, in one piece of memory: as a list, those of a peer that sends one at a time would take a
 * hundred times as much.
 */
export class GatheredBytes {
  length = 0
  #memory = Buffer.alloc(0)

  get bytes (): Buffer {
    return this.#memory.subarray(0, this.length)
  }

  add (part: Buffer, scanner: FrameScanner): void {
    this.#reserve(part.length, scanner)
    part.copy(this.#memory, this.length)
    this.length += part.length
  }

  /** As copyMasked() does. */
  addMasked (part: Buffer, key: number, position: number, scanner: FrameScanner): void {
    this.#reserve(part.length, scanner)
    copyMasked(part, this.#memory, this.length, key, position)
    this.length += part.length
  }

  /** The memory doubles, so that many short frames are not copied over and over again. */
  #reserve (length: number, { remaining, final }: FrameScanner): void {
    const needed = this.length + length
    if (needed <= this.#memory.length) return
    const announced = needed + remaining
    const doubled = Math.max(this.#memory.length * 2, Math.min(announced, FIRST_CAPACITY))
    const larger = Buffer.allocUnsafe(Math.max(needed, final ? Math.min(announced, doubled) : doubled))
    this.#memory.copy(larger, 0, 0, this.length)
    this.#memory = larger
  }
}

/** The message that is open: its frames as they came, and its payload, unmasked. */
export class GatheredMessage {
  readonly binary: boolean
  readonly compressed: boolean
  readonly #keepsPayload: boolean
  readonly #frames = new GatheredBytes()
  readonly #payload = new GatheredBytes()
  /** Of the open frame. */
  #key = 0
  #position = 0

  /**
   * @param scanner It has just passed the header of the message's first frame.
   * @param keepsPayload Whether the payload is needed, not only the frames.
   */
  constructor (scanner: FrameScanner, keepsPayload: boolean) {
    this.binary = scanner.opcode !== Opcode.text
    this.compressed = (scanner.firstByte & RSV1) !== 0
    this.#keepsPayload = keepsPayload
  }

  /** The frames, byte for byte. */
  get frames (): Buffer {
    return this.#frames.bytes
  }

  /** How long these are. */
  get size (): number {
    return this.#frames.length
  }

  /** Bytes of its payload. */
  get length (): number {
    return this.#payload.length
  }

  get message (): Message {
    return { payload: this.#payload.bytes, binary: this.binary, compressed: this.compressed, size: this.length }
  }

  /**
   * Takes what has come of its open frame.
   *
   * @param bytes Copied, since the memory is used again.
   * @param begins Whether it begins with the header of the frame.
   */
  add (bytes: Buffer, begins: boolean, scanner: FrameScanner): void {
    this.#frames.add(bytes, scanner)
    if (!this.#keepsPayload) return
    const at = begins ? scanner.headerLength : 0
    if (begins) {
      this.#position = 0
      this.#key = keyOf(bytes, scanner)
    }
    const part = bytes.subarray(at)
    if (part.length === 0) return
    this.#payload.addMasked(part, this.#key, this.#position, scanner)
    this.#position += part.length
  }
}

/** The message of a single frame that has come whole. */
export function messageOf (frame: Buffer, scanner: FrameScanner): Message {
  return new FrameMessage(frame, scanner)
}

/**
 * Its payload is copied and unmasked when it is first read, since most hooks do not read every message. The memory of its
 * frame is used again, so that must be before `release()`.
 */
class FrameMessage implements Message {
  readonly binary: boolean
  readonly compressed: boolean
  size: number
  readonly #headerLength: number
  readonly #key: number
  #frame: Buffer | undefined
  #payload: Buffer | undefined

  constructor (frame: Buffer, scanner: FrameScanner) {
    this.binary = scanner.opcode !== Opcode.text
    this.compressed = (scanner.firstByte & RSV1) !== 0
    this.size = frame.length - scanner.headerLength
    this.#headerLength = scanner.headerLength
    this.#key = keyOf(frame, scanner)
    this.#frame = frame
  }

  get payload (): Buffer {
    if (this.#payload !== undefined) return this.#payload
    if (this.#frame === undefined) throw new TypeError('the data of a message must be read before its hook returns: a hook that keeps messages for later must keep message.data or message.text')
    return (this.#payload = unmasked(this.#frame.subarray(this.#headerLength), this.#key))
  }

  keep (): void {
    this.#payload = this.payload
    this.release()
  }

  release (): void {
    this.#frame = undefined
  }
}

/** A copy of the payload of a whole frame, unmasked. */
export function payloadOf (frame: Buffer, scanner: FrameScanner): Buffer {
  return unmasked(frame.subarray(scanner.headerLength), keyOf(frame, scanner))
}

function unmasked (content: Buffer, key: number): Buffer {
  const payload = Buffer.allocUnsafe(content.length)
  copyMasked(content, payload, 0, key)
  return payload
}

/** The masking key of a frame; 0, which changes nothing, for one without a mask. */
function keyOf (frame: Buffer, { isMasked, headerLength }: FrameScanner): number {
  return isMasked ? frame.readInt32LE(headerLength - 4) : 0
}
