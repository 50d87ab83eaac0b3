import { randomFillSync } from 'node:crypto'
import { copyMasked } from './masking.js'

/**
 * Frames of RFC 6455 §5.2, followed by their headers alone.
 *
 * The scanner never sees a payload but that of a Close frame. It stops before a header that has not
 * arrived whole, so what has been forwarded always ends after a complete header.
 */

/** The first reserved bit, as it stands in a frame's first byte. */
export const RSV1 = 0x40

export const Opcode = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

/** Close codes that the gateway sends or reports (RFC 6455 §7.4.1 and the IANA registry). */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  /** Never on the wire: a Close frame without a code. */
  absent: 1005,
  /** Never on the wire: no Close frame at all. */
  abnormal: 1006,
  /** Data that are not what their type says, such as text that is not UTF-8. */
  invalidData: 1007,
  policy: 1008,
  tooBig: 1009,
  internalError: 1011,
  restart: 1012
} as const

/** What a scanner expects of its side. */
export interface ScannerOptions {
  /** Frames of a client are masked, those of a server are not (RFC 6455 §5.1). */
  masked: boolean
  /** RSV bits, as they stand in the first byte, that a negotiated extension has given a meaning. */
  allowedRsv: number
  /** Whether breaches of RFC 6455 are violations. Default: true. */
  strict?: boolean
  /** Payload bytes of the longest frame. Default: no limit. */
  maxFrameSize?: number
  /** Payload bytes of the longest message, over all its frames. Default: no limit. */
  maxMessageSize?: number
}

export class FrameScanner {
  /** Frames whose header has been passed, control frames included. */
  frames = 0
  /** Data messages that have been passed whole. */
  messages = 0
  /** Data frames whose header has been passed. */
  dataFrames = 0
  /** Payload bytes that have been passed. */
  payloadBytes = 0
  /** Set once a whole Close frame has been passed. */
  close: { code: number, reason: string } | undefined
  /** What is wrong with the frame that the scanner has stopped before. */
  violation: string | undefined
  /** The close code for that. */
  violationCode: number = CloseCode.protocolError
  /** The payload of the gateway's own pings. A Pong that bears it is not passed, but left to `skip`. */
  ownPing: Buffer | undefined
  /** The length of a Pong, for the gateway alone, that the scanner has stopped before. */
  skip = 0
  /** Pongs that were left to `skip`. */
  ownPongs = 0
  /** Of the frame whose header was passed last: that header's length, its opcode, whether its message ends with it, and whether it has a mask. */
  headerLength = 0
  opcode = 0
  final = true
  isMasked = false
  /** Its first byte; the RSV bits count in the first frame of a message. */
  firstByte = 0

  readonly #masked: boolean
  readonly #forbiddenRsv: number
  readonly #strict: boolean
  readonly #maxFrameSize: number
  readonly #maxMessageSize: number
  #messageSize = 0
  #remaining = 0
  #inMessage = false
  #closePayload: Buffer | undefined
  #closeMask = 0

  constructor ({ masked, allowedRsv, strict = true, maxFrameSize = Infinity, maxMessageSize = Infinity }: ScannerOptions) {
    this.#masked = masked
    this.#strict = strict
    this.#forbiddenRsv = 0x70 & ~allowedRsv
    this.#maxFrameSize = maxFrameSize
    this.#maxMessageSize = maxMessageSize
  }

  /** No frame is open: another may be put between. */
  get atFrameBoundary (): boolean {
    return this.#remaining === 0
  }

  /** No message is open either: a Close put here cuts nothing off. */
  get atMessageBoundary (): boolean {
    return this.#remaining === 0 && !this.#inMessage
  }

  /** A data frame is open. */
  get inDataFrame (): boolean {
    return this.#remaining > 0 && this.opcode < 0x8
  }

  /** The payload bytes of the open frame that have not been passed. */
  get remaining (): number {
    return this.#remaining
  }

  /** Begins anew, with what another connection sends: what was open is given up. The counts go on. */
  restart (): void {
    this.#remaining = 0
    this.#inMessage = false
    this.#closePayload = undefined
    this.close = this.violation = undefined
    this.violationCode = CloseCode.protocolError
    this.skip = 0
  }

  /**
   * Passes over what has been read.
   *
   * @param stopAt Stop as soon as no message is open, or behind the first frame that is complete. Default: neither.
   * @returns The offset up to which the chunk has been passed. What stands behind it is the beginning of a
   *   header, at most 13 bytes, to be given again with what follows; or, where `violation` or `close` is
   *   set or a stop was asked for, what is not to be forwarded.
   */
  scan (chunk: Buffer, stopAt?: 'message' | 'frame'): number {
    const end = chunk.length
    let offset = 0
    if (stopAt === 'message' && this.atMessageBoundary) return 0
    while (this.violation === undefined && this.close === undefined) {
      if (this.#remaining > 0) {
        if (offset === end) return offset
        const step = Math.min(this.#remaining, end - offset)
        this.payloadBytes += step
        if (this.#closePayload !== undefined) this.#keepClosePayload(chunk, offset, step)
        this.#remaining -= step
        offset += step
        if (this.#remaining > 0) return offset
      } else {
        const length = this.#readHeader(chunk, offset)
        if (length === 0) return offset
        offset += length
        if (this.#remaining > 0) continue
      }
      this.#endFrame()
      if (stopAt !== undefined && (stopAt === 'frame' || !this.#inMessage)) return offset
    }
    return offset
  }

  /** Reads a header and gives its length, or 0 when it has not arrived whole or is a violation. */
  #readHeader (chunk: Buffer, offset: number): number {
    const available = chunk.length - offset
    if (available < 2) return 0
    const first = chunk[offset]!
    const second = chunk[offset + 1]!
    const masked = (second & 0x80) !== 0
    let length = second & 0x7f
    const lengthBytes = length < 126 ? 0 : length === 126 ? 2 : 8
    const size = 2 + lengthBytes + (masked ? 4 : 0)
    if (available < size) return 0
    if (lengthBytes === 2) {
      length = chunk.readUInt16BE(offset + 2)
    } else if (lengthBytes === 8) {
      const high = chunk.readUInt32BE(offset + 2)
      // Beyond 2^53 a number is not exact; RFC 6455 §5.2 forbids only the top bit, but no peer can mean this.
      if (high > 0x1fffff) return this.#violated('a payload length out of range')
      length = high * 2 ** 32 + chunk.readUInt32BE(offset + 6)
    }

    const opcode = first & 0x0f
    const final = (first & 0x80) !== 0
    if (this.#strict) {
      const breach = this.#breach(first, opcode, final, masked, lengthBytes, length)
      if (breach !== undefined) return this.#violated(breach)
    }
    // A control frame, unless it is one only by name, is short anyway.
    if (length > this.#maxFrameSize && (opcode < 0x8 || length > 125)) return this.#violated('a frame that is too long', CloseCode.tooBig)
    if (opcode >= 0x8) {
      if (opcode === Opcode.pong && length === this.ownPing?.length) {
        // It may be for the gateway, so it is not passed on before that is known.
        if (available < size + length) return 0
        if (this.#isOwn(chunk, offset + size, masked)) {
          this.skip = size + length
          this.ownPongs++
          return 0
        }
      }
      if (opcode === Opcode.close) {
        // Only what can be a Close is read as one, where breaches are let through.
        this.#closePayload = Buffer.allocUnsafe(length <= 125 && length >= 2 ? length : 0)
        this.#closeMask = masked ? chunk.readUInt32BE(offset + size - 4) : 0
      }
    } else {
      if (!this.#inMessage) this.#messageSize = 0
      this.#messageSize += length
      if (this.#messageSize > this.#maxMessageSize) return this.#violated('a message that is too long', CloseCode.tooBig)
      this.#inMessage = true
      this.dataFrames++
    }
    this.headerLength = size
    this.firstByte = first
    this.opcode = opcode
    this.final = final
    this.isMasked = masked
    this.#remaining = length
    this.frames++
    return size
  }

  /** How a header breaks RFC 6455 §5.2 to §5.5. */
  #breach (first: number, opcode: number, final: boolean, masked: boolean, lengthBytes: number, length: number): string | undefined {
    if ((first & this.#forbiddenRsv) !== 0) return 'an RSV bit that no extension has given a meaning'
    if (masked !== this.#masked) return masked ? 'a masked frame from a server' : 'an unmasked frame from a client'
    if (opcode >= 0x8) {
      if (opcode > Opcode.pong) return 'a reserved opcode'
      if (!final) return 'a fragmented control frame'
      // Nor may its length be written in more than 7 bits.
      if (lengthBytes > 0) return 'a control frame of over 125 bytes'
      if (opcode === Opcode.close && length === 1) return 'a Close frame with half a code'
      return undefined
    }
    if (opcode > Opcode.binary) return 'a reserved opcode'
    if ((opcode === Opcode.continuation) !== this.#inMessage) {
      return this.#inMessage ? 'a new message inside another' : 'a continuation of no message'
    }
    return undefined
  }

  #isOwn (chunk: Buffer, offset: number, masked: boolean): boolean {
    const own = this.ownPing!
    for (let index = 0; index < own.length; index++) {
      const mask = masked ? chunk[offset - 4 + (index & 3)]! : 0
      if ((chunk[offset + index]! ^ mask) !== own[index]) return false
    }
    return true
  }

  /** What is wrong with the message that has been passed, which headers alone do not tell. */
  fault (violation: string, code: number): void {
    this.#violated(violation, code)
  }

  #violated (violation: string, code: number = CloseCode.protocolError): 0 {
    this.violation = violation
    this.violationCode = code
    return 0
  }

  #endFrame (): void {
    if (this.opcode < 0x8) {
      if (!this.final) return
      this.#inMessage = false
      this.messages++
    } else if (this.opcode === Opcode.close) {
      const payload = this.#closePayload!
      this.#closePayload = undefined
      if (payload.length === 0) {
        this.close = { code: CloseCode.absent, reason: '' }
        return
      }
      for (let index = 0; index < payload.length; index++) {
        payload[index]! ^= (this.#closeMask >>> (24 - 8 * (index & 3))) & 0xff
      }
      this.close = { code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) }
    }
  }

  #keepClosePayload (chunk: Buffer, offset: number, length: number): void {
    const payload = this.#closePayload!
    if (payload.length < this.#remaining) return
    chunk.copy(payload, payload.length - this.#remaining, offset, offset + length)
  }
}

/**
 * A Close frame to send.
 *
 * @param code A code that may stand on the wire, or `CloseCode.absent` for none.
 * @param reason At most 123 bytes in UTF-8.
 * @param masked Whether it goes to a server.
 */
export function closeFrame (code: number, reason: string, masked: boolean): Buffer {
  if (code === CloseCode.absent) return controlFrame(Opcode.close, Buffer.alloc(0), masked)
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code, 0)
  payload.write(reason, 2)
  return controlFrame(Opcode.close, payload, masked)
}

/** A Ping frame to send. */
export function pingFrame (payload: Buffer, masked: boolean): Buffer {
  return controlFrame(Opcode.ping, payload, masked)
}

/** A Pong frame to send. */
export function pongFrame (payload: Buffer, masked: boolean): Buffer {
  return controlFrame(Opcode.pong, payload, masked)
}

function controlFrame (opcode: number, content: Buffer, masked: boolean): Buffer {
  if (content.length > 125) throw new RangeError('a control frame holds at most 125 bytes; a close reason 123')
  return frame(0x80 | opcode, content, masked)
}

/**
 * A whole message in one frame, to send.
 *
 * @param masked Whether it goes to a server.
 * @param compressed Whether the payload is that of permessage-deflate (RFC 7692 §6).
 */
export function messageFrame (opcode: number, payload: Buffer, masked: boolean, compressed = false): Buffer {
  return frame(0x80 | (compressed ? RSV1 : 0) | opcode, payload, masked)
}

function frame (first: number, content: Buffer, masked: boolean): Buffer {
  const { length } = content
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const header = 2 + lengthBytes + (masked ? 4 : 0)
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = first
  frame[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2)
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  if (masked) {
    randomFillSync(frame, header - 4, 4)
    copyMasked(content, frame, header, frame.readInt32LE(header - 4))
  } else {
    content.copy(frame, header)
  }
  return frame
}
