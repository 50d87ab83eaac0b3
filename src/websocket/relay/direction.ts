import type { Duplex } from 'node:stream'
import { isShared, readChunks, writeCopy } from '../../net/shared-reads.js'
import { FrameScanner, closeFrame, pingFrame, type ScannerOptions } from './frames.js'

/** What a direction tells its session. */
export interface DirectionEvents {
  /** Bytes were read from the source, and passed on as far as they may be. */
  onProgress (direction: Direction): void
  /** The sink does not read; the source is not read until it does. */
  onBlocked (direction: Direction): void
  /** The source has sent a Close frame: relayed, or the response to ours. */
  onClose (direction: Direction): void
  /** The source has broken the protocol or a limit; nothing of the offending frame was relayed. */
  onViolation (direction: Direction, violation: string): void
  /** The sink has got its last byte: a Close frame of the source or of the gateway, or the end of the connection. */
  onSinkDone (direction: Direction): void
  /** The source has ended its half of the connection (FIN). */
  onEnd (direction: Direction): void
}

const NOTHING = Buffer.alloc(0)

/**
 * Milliseconds that bytes must have waited for the sink for their being taken to say something of it. A busy process,
 * or a TLS socket, lets a write wait for a moment even where the system has room.
 */
const WAIT = 20

/** Milliseconds after which a delay is looked at again. */
const LONGEST_DELAY = 1000

/**
 * One way of a relay: what is read from the source is written to the sink, unchanged and with backpressure,
 * while a scanner follows the frames so that the gateway can put a frame of its own between two of them.
 */
export class Direction {
  readonly source: Duplex
  readonly sink: Duplex
  readonly scanner: FrameScanner
  /** Bytes read from the source, frame headers included. */
  wireBytes = 0
  /** When the last byte, and the last of a data frame, were read, as `performance.now()` counts. */
  readAt = performance.now()
  dataAt = this.readAt
  /** When the sink last took bytes that had waited for it, which it only does while its peer reads. */
  takenAt = 0
  /** The sink has got its last byte: a Close frame, or the end of the connection, or none because it is gone. */
  sinkDone = false
  /** The code of the Close frame that was written to the sink, the source's or the gateway's; undefined for none. */
  closeSent: number | undefined
  /** The peer at the sink has ended its half without a Close; the gateway writes no Close frame at it. */
  sinkEnded = false
  /** The source has ended its half. */
  ended = false
  /** The sink does not read. */
  blocked = false

  readonly #events: DirectionEvents
  readonly #sinkIsServer: boolean
  readonly #shared: boolean
  #blockedAt = 0
  #stalled = 0
  #delayed: NodeJS.Timeout | undefined
  #isRead = false
  #pendingClose: { code: number | undefined, reason: string } | undefined
  /** The beginning of a frame header, or a Pong that may be the gateway's, whose rest has not arrived. */
  #held: Buffer | undefined

  constructor (source: Duplex, sink: Duplex, scanner: ScannerOptions, events: DirectionEvents) {
    this.source = source
    this.sink = sink
    this.scanner = new FrameScanner(scanner)
    this.#sinkIsServer = scanner.masked
    this.#shared = isShared(source)
    this.#events = events
  }

  /** Milliseconds in which the source was not read, because the sink did not read. */
  get stalled (): number {
    return this.blocked ? this.#stalled + performance.now() - this.#blockedAt : this.#stalled
  }

  /** Begins to read, unless it is delayed. */
  start (): void {
    this.source.on('end', () => {
      this.ended = true
      this.#events.onEnd(this)
    })
    this.sink.on('drain', () => {
      if (this.blocked) {
        const now = performance.now()
        if (now - this.#blockedAt >= WAIT) this.takenAt = now
      }
      this.#unblock()
      this.#resume()
    })
    if (this.#delayed === undefined) this.#readSource()
  }

  /**
   * Reads no more for some milliseconds.
   *
   * @param left How many are left when they are over: it may take longer, or be over before.
   */
  delay (milliseconds: number, left: () => number): void {
    if (this.sinkDone || this.#delayed !== undefined) return
    this.source.pause()
    this.#delayed = setTimeout(() => {
      this.#delayed = undefined
      const more = left()
      if (more > 0) this.delay(more, left)
      else this.#resume()
    }, Math.min(milliseconds, LONGEST_DELAY))
  }

  /** Puts a Ping of the gateway between two frames; false while one is open. */
  ping (payload: Buffer): boolean {
    if (this.sinkDone || !this.scanner.atFrameBoundary) return false
    this.sink.write(pingFrame(payload, this.#sinkIsServer))
    return true
  }

  /** The sink is gone. What still comes has no reader, but the source's end is only seen when it is read to. */
  sinkLost (): void {
    this.sinkDone = true
    this.#readOn()
  }

  /**
   * Tells the sink Close as soon as no message is open, and relays no more.
   *
   * @param code Undefined ends the sink without a Close frame.
   */
  stop (code: number | undefined, reason: string): void {
    if (this.sinkDone || this.#pendingClose !== undefined) return
    this.#pendingClose = { code, reason }
    if (this.scanner.atMessageBoundary) this.#finishSink()
  }

  /**
   * Tells the sink Close now, or ends it where that would land inside a frame: it could not be understood
   * there. It is not destroyed, lest what was written before be lost. A Close asked for before keeps its code.
   */
  stopNow (code: number | undefined, reason: string): void {
    if (this.sinkDone) return
    this.#pendingClose ??= { code, reason }
    if (!this.scanner.atFrameBoundary) this.#pendingClose.code = undefined
    this.#finishSink()
  }

  #readSource (): void {
    if (this.#isRead) {
      this.source.resume()
    } else {
      this.#isRead = true
      readChunks(this.source, chunk => this.#read(chunk))
    }
  }

  #read (read: Buffer): void {
    this.wireBytes += read.length
    this.readAt = performance.now()
    const { dataFrames, inDataFrame } = this.scanner
    // Behind a Close frame nothing has a meaning (RFC 6455 §5.5.1).
    if (this.scanner.close === undefined && this.scanner.violation === undefined) {
      const chunk = this.#held === undefined ? read : Buffer.concat([this.#held, read])
      this.#held = undefined
      this.#pass(chunk)
    }
    if (inDataFrame || this.scanner.dataFrames !== dataFrames) this.dataAt = this.readAt
    this.#events.onProgress(this)
  }

  #pass (chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0;) rest = this.#passSome(rest)
  }

  /** Passes on what it can at once, and gives what is still to be passed. */
  #passSome (chunk: Buffer): Buffer {
    const { scanner } = this
    const passed = scanner.scan(chunk, this.#pendingClose !== undefined && !this.sinkDone)
    if (passed > 0 && !this.sinkDone) this.#write(passed === chunk.length ? chunk : chunk.subarray(0, passed))
    if (scanner.close !== undefined) {
      if (!this.sinkDone) this.closeSent = scanner.close.code
      this.#events.onClose(this)
      if (!this.sinkDone) this.#sinkIsDone()
    } else if (scanner.violation !== undefined) {
      this.#events.onViolation(this, scanner.violation)
    } else if (!this.sinkDone && this.#pendingClose !== undefined && scanner.atMessageBoundary) {
      this.#finishSink()
      // The rest is read for the source's own Close alone.
      return chunk.subarray(passed)
    } else if (scanner.skip > 0) {
      const rest = chunk.subarray(passed + scanner.skip)
      scanner.skip = 0
      return rest
    } else if (passed < chunk.length) {
      this.#held = Buffer.from(chunk.subarray(passed))
    }
    return NOTHING
  }

  #write (chunk: Buffer): void {
    const more = this.#shared ? writeCopy(this.sink, chunk) : this.sink.write(chunk)
    // A chunk beyond the high-water mark counts as too much even where the system has taken it all by now.
    if (more || this.blocked || this.sink.writableLength === 0) return
    this.blocked = true
    this.#blockedAt = performance.now()
    this.source.pause()
    this.#events.onBlocked(this)
  }

  #finishSink (): void {
    const { code, reason } = this.#pendingClose!
    // A peer that has ended its half may never read again, and a frame that waits for it would keep its socket open.
    if (code === undefined || this.sinkEnded) {
      this.sink.end()
    } else {
      this.sink.write(closeFrame(code, reason, this.#sinkIsServer))
      this.closeSent = code
    }
    this.#sinkIsDone()
  }

  #sinkIsDone (): void {
    this.sinkDone = true
    this.#readOn()
    this.#events.onSinkDone(this)
  }

  /** Nothing holds the source back any more. */
  #readOn (): void {
    clearTimeout(this.#delayed)
    this.#delayed = undefined
    this.#unblock()
    this.#readSource()
  }

  #unblock (): void {
    if (!this.blocked) return
    this.blocked = false
    this.#stalled += performance.now() - this.#blockedAt
  }

  #resume (): void {
    if (this.blocked || this.#delayed !== undefined) return
    // While the gateway did not listen, nothing could be heard.
    this.readAt = this.dataAt = performance.now()
    this.#readSource()
  }
}
