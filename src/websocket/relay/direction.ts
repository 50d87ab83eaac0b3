import type { Duplex } from 'node:stream'
import { isShared, isSharedChunk, readChunks, writeCopy } from '../../net/shared-reads.js'
import { FrameScanner, closeFrame, pingFrame, pongFrame, type ScannerOptions } from './frames.js'

/** What a direction tells its session. */
export interface DirectionEvents {
  /** Bytes were read from the source, and passed on as far as they may be. */
  onProgress (direction: Direction): void
  /** The sink does not read; the source is not read until it does. */
  onBlocked (direction: Direction): void
  /**
   * The source has sent a Close frame.
   *
   * @returns Whether it goes no further: the source has been detached, which only a `MessageDirection` can be.
   */
  onCloseRead (direction: Direction): boolean
  /** That Close frame has been relayed, or was the response to ours. */
  onClose (direction: Direction): void
  /** The source has broken the protocol or a limit; nothing of the offending frame was relayed. */
  onViolation (direction: Direction, violation: string): void
  /** The source has responded to a Ping of the gateway. */
  onOwnPong (direction: Direction): void
  /** The sink has got its last byte: a Close frame of the source or of the gateway, or the end of the connection. */
  onSinkDone (direction: Direction): void
  /** The source has ended its half of the connection (FIN). */
  onEnd (direction: Direction): void
}

/** A close that waits for the end of what is on its way. */
export interface PendingClose {
  /** Undefined ends the sink without a Close frame. */
  code: number | undefined
  reason: string
}

/**
 * Milliseconds that bytes must have waited for the sink for their being taken to say something of it. A busy process,
 * or a TLS socket, lets a write wait for a moment even where the system has room.
 */
const WAIT = 20

/** Messages of the gateway's own that wait for a sink: beyond so many bytes, no more are taken. */
export const MAX_UNSENT = 1024 * 1024

/** Milliseconds after which a delay is looked at again. */
const LONGEST_DELAY = 1000

/**
 * One way of a relay: what is read from the source is written to the sink, with backpressure, while a scanner follows
 * the frames, so that the gateway can put a frame of its own between two of them. What becomes of the bytes in between
 * is for a subclass: they are relayed as they come (`ByteDirection`), or message by message (`MessageDirection`).
 */
export abstract class Direction {
  source: Duplex
  sink: Duplex
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

  protected readonly events: DirectionEvents
  protected readonly sinkIsServer: boolean
  /** The beginning of a frame header, or a Pong that may be the gateway's, whose rest has not arrived. */
  protected held: Buffer | undefined
  #shared: boolean
  #blockedAt = 0
  #stalled = 0
  #delayed: NodeJS.Timeout | undefined
  /** The source that is being read. */
  #reading: Duplex | undefined

  constructor (source: Duplex, sink: Duplex, scanner: ScannerOptions, events: DirectionEvents) {
    this.source = source
    this.sink = sink
    this.scanner = new FrameScanner(scanner)
    this.sinkIsServer = scanner.masked
    this.#shared = isShared(source)
    this.events = events
  }

  /** Milliseconds in which the source was not read, because the sink did not read. */
  get stalled (): number {
    return this.blocked ? this.#stalled + performance.now() - this.#blockedAt : this.#stalled
  }

  /** Begins to read, unless it is delayed. */
  start (): void {
    this.listenToSource()
    this.listenToSink()
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
      else this.resume()
    }, Math.min(milliseconds, LONGEST_DELAY))
  }

  /** Puts a Ping of the gateway between two frames; false while one is open. */
  ping (payload: Buffer): boolean {
    if (this.sinkDone || !this.atFrameBoundary) return false
    this.sink.write(pingFrame(payload, this.sinkIsServer))
    return true
  }

  /** Puts a Pong of the gateway between two frames, if none is open: a later one will do, too (RFC 6455 §5.5.3). */
  pong (payload: Buffer): void {
    if (!this.sinkDone && this.atFrameBoundary) this.sink.write(pongFrame(payload, this.sinkIsServer))
  }

  /** The sink is gone. What still comes has no reader, but the source's end is only seen when it is read to. */
  sinkLost (): void {
    this.sinkDone = true
    this.readOn()
  }

  /** Something that the source has sent is held by the gateway itself. */
  get isBusy (): boolean {
    return false
  }

  /** Whether a frame may be put behind what the sink has got. */
  abstract get atFrameBoundary (): boolean

  /**
   * Tells the sink Close as soon as no message is open, and relays no more.
   *
   * @param code Undefined ends the sink without a Close frame.
   */
  abstract stop (code: number | undefined, reason: string): void

  /**
   * Tells the sink Close now, or ends it where that would land inside a frame: it could not be understood
   * there. It is not destroyed, lest what was written before be lost. A Close asked for before keeps its code.
   */
  abstract stopNow (code: number | undefined, reason: string): void

  /** The same, behind all that the source has sent: it sends no more, or nothing that could be relayed. */
  abstract stopBehind (code: number | undefined, reason: string): void

  /**
   * Sends the sink a message of the gateway's own as soon as no other message to it is open.
   *
   * @param frame All of it, as `messageFrame()` gives it.
   * @returns False if it is not sent: the sink has got its last byte, or too much waits for it.
   */
  abstract send (frame: Buffer): boolean

  /** Takes what was read, until the source has sent Close or has broken the protocol. */
  protected abstract pass (chunk: Buffer): void

  /** Begins to read the source, unless something holds it back. */
  protected listenToSource (): void {
    const { source } = this
    this.#shared = isShared(source)
    if (this.readable) this.#readSource()
    source.on('end', () => {
      if (source !== this.source) return
      this.ended = true
      this.events.onEnd(this)
    })
  }

  #readSource (): void {
    const { source } = this
    if (this.#reading === source) {
      source.resume()
    } else {
      this.#reading = source
      readChunks(source, chunk => { if (source === this.source) this.#read(chunk) })
    }
  }

  protected listenToSink (): void {
    const { sink } = this
    sink.on('drain', () => {
      if (sink !== this.sink) return
      if (this.blocked) {
        const now = performance.now()
        if (now - this.#blockedAt >= WAIT) this.takenAt = now
      }
      this.unblock()
      this.resume()
    })
  }

  #read (read: Buffer): void {
    this.wireBytes += read.length
    this.readAt = performance.now()
    const { dataFrames, inDataFrame } = this.scanner
    // Behind a Close frame nothing has a meaning (RFC 6455 §5.5.1).
    if (this.scanner.close === undefined && this.scanner.violation === undefined) {
      const chunk = this.held === undefined ? read : Buffer.concat([this.held, read])
      this.held = undefined
      this.pass(chunk)
    }
    if (inDataFrame || this.scanner.dataFrames !== dataFrames) this.dataAt = this.readAt
    this.events.onProgress(this)
  }

  /** Writes to the sink. A chunk of the shared buffer is copied. */
  protected write (chunk: Buffer): void {
    const more = this.#shared && isSharedChunk(chunk) ? writeCopy(this.sink, chunk) : this.sink.write(chunk)
    // A chunk beyond the high-water mark counts as too much even where the system has taken it all by now.
    if (more || this.blocked || this.sink.writableLength === 0) return
    this.blocked = true
    this.#blockedAt = performance.now()
    this.source.pause()
    this.events.onBlocked(this)
  }

  /** The last that the sink gets: a Close frame, or the end of its connection. */
  protected finishSink ({ code, reason }: PendingClose): void {
    // A peer that has ended its half may never read again, and a frame that waits for it would keep its socket open.
    if (code === undefined || this.sinkEnded) {
      this.sink.end()
    } else {
      this.sink.write(closeFrame(code, reason, this.sinkIsServer))
      this.closeSent = code
    }
    this.sinkIsDone()
  }

  protected sinkIsDone (): void {
    this.sinkDone = true
    this.readOn()
    this.events.onSinkDone(this)
  }

  /** Nothing holds the source back any more. */
  protected readOn (): void {
    clearTimeout(this.#delayed)
    this.#delayed = undefined
    this.unblock()
    this.#readSource()
  }

  protected unblock (): void {
    if (!this.blocked) return
    this.blocked = false
    this.#stalled += performance.now() - this.#blockedAt
  }

  /** Whether the source is to be read. */
  protected get readable (): boolean {
    return !this.blocked && this.#delayed === undefined
  }

  protected resume (): void {
    if (!this.readable) return
    // While the gateway did not listen, nothing could be heard.
    this.readAt = this.dataAt = performance.now()
    this.#readSource()
  }
}
