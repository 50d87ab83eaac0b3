import type { Duplex } from 'node:stream'
import { FrameScanner, closeFrame, type ScannerOptions } from './frames.js'

/** What a direction tells its session. */
export interface DirectionEvents {
  /** Bytes were read from the source. */
  onProgress (direction: Direction): void
  /** The source has sent a Close frame: relayed, or the answer to ours. */
  onClose (direction: Direction): void
  /** The source has broken the protocol; nothing of the offending frame was relayed. */
  onViolation (direction: Direction, violation: string): void
  /** The sink has been told Close, by the source or by the gateway. Nothing more is written to it. */
  onTold (direction: Direction): void
  /** The source has ended its half of the connection (FIN). */
  onEnd (direction: Direction): void
}

/**
 * One way of a relay: what is read from the source is written to the sink, unchanged and with backpressure,
 * while a scanner follows the frames so that the gateway can put a Close between two of them.
 */
export class Direction {
  readonly source: Duplex
  readonly sink: Duplex
  readonly scanner: FrameScanner
  /** Bytes read from the source, frame headers included. */
  wireBytes = 0
  /** The sink has got its last byte: a Close frame, or none because it is gone. */
  told = false
  /** The source has ended its half. */
  ended = false

  readonly #events: DirectionEvents
  readonly #sinkIsServer: boolean
  #pendingClose: { code: number, reason: string } | undefined
  /** The beginning of a frame header whose rest has not arrived. */
  #held: Buffer | undefined

  constructor (source: Duplex, sink: Duplex, scanner: ScannerOptions, events: DirectionEvents) {
    this.source = source
    this.sink = sink
    this.scanner = new FrameScanner(scanner)
    this.#sinkIsServer = scanner.masked
    this.#events = events
  }

  start (): void {
    this.source.on('data', (chunk: Buffer) => this.#read(chunk))
    this.source.on('end', () => {
      this.ended = true
      this.#events.onEnd(this)
    })
    this.sink.on('drain', () => this.source.resume())
  }

  /** The sink is gone. What still comes has no reader, but the source's end is only seen when it is read to. */
  sinkLost (): void {
    this.told = true
    this.source.resume()
  }

  /** Tells the sink Close as soon as no message is open, and relays no more. */
  stop (code: number, reason: string): void {
    if (this.told || this.#pendingClose !== undefined) return
    this.#pendingClose = { code, reason }
    if (this.scanner.atMessageBoundary) this.#tell()
  }

  /**
   * Tells the sink Close now, or destroys it where that would land inside a frame: it could not be
   * understood there. A Close asked for before keeps its code.
   */
  stopNow (code: number, reason: string): void {
    if (this.told) return
    this.#pendingClose ??= { code, reason }
    if (this.scanner.atFrameBoundary) {
      this.#tell()
    } else {
      this.told = true
      this.sink.destroy()
    }
  }

  #read (read: Buffer): void {
    this.wireBytes += read.length
    this.#events.onProgress(this)
    // Behind a Close frame nothing has a meaning (RFC 6455 §5.5.1).
    if (this.scanner.close !== undefined || this.scanner.violation !== undefined) return
    const chunk = this.#held === undefined ? read : Buffer.concat([this.#held, read])
    this.#held = undefined
    this.#scan(chunk)
  }

  #scan (chunk: Buffer): void {
    const passed = this.scanner.scan(chunk, this.#pendingClose !== undefined && !this.told)
    if (passed > 0 && !this.told) {
      if (!this.sink.write(passed === chunk.length ? chunk : chunk.subarray(0, passed))) this.source.pause()
    }
    if (this.scanner.close !== undefined) {
      this.#events.onClose(this)
      if (!this.told) this.#becomeTold()
    } else if (this.scanner.violation !== undefined) {
      this.#events.onViolation(this, this.scanner.violation)
    } else if (!this.told && this.#pendingClose !== undefined && this.scanner.atMessageBoundary) {
      this.#tell()
      // The rest is read for the source's own Close alone.
      this.#scan(chunk.subarray(passed))
    } else if (passed < chunk.length) {
      this.#held = Buffer.from(chunk.subarray(passed))
    }
  }

  #tell (): void {
    const { code, reason } = this.#pendingClose!
    this.sink.write(closeFrame(code, reason, this.#sinkIsServer))
    this.#becomeTold()
  }

  #becomeTold (): void {
    this.told = true
    this.source.resume()
    this.#events.onTold(this)
  }
}
