import type { Duplex } from 'node:stream'
import { Direction, MAX_UNSENT, type DirectionEvents, type PendingClose } from './direction.js'
import { CloseCode, Opcode, type ScannerOptions } from './frames.js'
import { GatheredBytes, GatheredMessage, messageOf, payloadOf, type Message } from './gathered-message.js'
import { SendQueue, sizeOf, type QueuedItem } from './send-queue.js'

/** What becomes of a message: its frames go on as they came, another one goes in its place, it goes nowhere, or it is refused. */
export type Verdict = 'pass' | 'drop' | Buffer | Fault

/** What is wrong with a message. */
export interface Fault {
  violation: string
  /** The close code for that. */
  code: number
}

/** Looks at each message. A promise that rejects ends the session. */
export type Inspect = (message: Message) => Verdict | Promise<Verdict>

/** How a direction deals with messages. */
export interface MessageHandling {
  /** Undefined: none is looked at; they are only kept until they have come whole. */
  inspect: Inspect | undefined
  /**
   * Payload bytes of the longest message, and of all that wait together. A longer one is refused with 1009 where messages
   * are looked at, and relayed as it comes otherwise.
   */
  maxSize: number
  /** Messages that may be looked at at a time. */
  maxPending: number
}

/** What such a direction tells its session beside. */
export interface MessageEvents extends DirectionEvents {
  /** To look at a message has failed. */
  onInspectError (direction: Direction, error: unknown): void
  /** The source has sent a Ping while there is no sink. */
  onUnheardPing (direction: Direction, payload: Buffer): void
}

/** Bytes of headers that the frames of a message may have beside its payload, or as many as its payload may. */
const MAX_HEADERS = 64 * 1024

/** Items that may wait: each costs some hundred bytes beside its own. */
const MAX_ITEMS = 4096

/**
 * Relays message by message: each is gathered, looked at, and goes on whole. So its sink is always at the boundary of two
 * messages, and can be another one from there on. Control frames keep their place among the messages; one that stands
 * between the fragments of a message goes before it.
 */
export class MessageDirection extends Direction {
  readonly #options: MessageHandling
  readonly #events: MessageEvents
  readonly #queue = new SendQueue()
  /** The chunk that is being passed, and which of its bytes may go on as they are. */
  #chunk: Buffer | undefined
  #runStart = 0
  #runEnd = 0
  #open: GatheredMessage | undefined
  #control: GatheredBytes | undefined
  /** What was read when no more could be taken. */
  #rest: Buffer | undefined
  /** The source is not read because of what waits here. */
  #full = false
  /** The open message is longer than could be kept: it goes on as it comes. */
  #streaming = false
  /** The sink of such a message was lost; its rest goes nowhere. */
  #skipping = false
  /** There is no sink at the moment. */
  #detached = false
  #pendingClose: PendingClose | undefined
  /** That Close has its place in the queue. */
  #closeQueued = false
  #dropsPending = false
  /** There is no source at the moment. */
  #abandoned = false

  constructor (source: Duplex, sink: Duplex, scanner: ScannerOptions, options: MessageHandling, events: MessageEvents) {
    super(source, sink, scanner, events)
    this.#options = options
    this.#events = events
  }

  get atFrameBoundary (): boolean {
    return !this.#detached && (!this.#streaming || this.scanner.atFrameBoundary)
  }

  /** Whether the sink has got a part of a message. */
  get isStreaming (): boolean {
    return this.#streaming
  }

  stop (code: number | undefined, reason: string): void {
    if (this.sinkDone || this.#pendingClose !== undefined) return
    this.#pendingClose = { code, reason }
    if (!this.#streaming) this.#queueClose()
  }

  stopNow (code: number | undefined, reason: string): void {
    if (this.sinkDone) return
    this.#pendingClose ??= { code, reason }
    this.#flushRun()
    if (!this.atFrameBoundary) this.#pendingClose.code = undefined
    this.#queue.clear()
    if (this.#detached) this.sinkLost()
    else this.finishSink(this.#pendingClose)
  }

  stopBehind (code: number | undefined, reason: string): void {
    if (this.sinkDone || this.#pendingClose !== undefined) return
    if (this.#streaming) return this.stopNow(code, reason)
    this.#pendingClose = { code, reason }
    // What was read before comes first.
    if (this.#rest === undefined) this.#queueClose()
  }

  /** What is being looked at goes nowhere, since it has itself ended the session; nor does what came behind it. */
  dropPending (): void {
    if (this.#streaming) return
    this.#flushRun()
    this.#dropsPending = true
    if (this.#queue.pending === 0) return
    this.#queue.dropPending()
    if (this.#closeQueued) this.#addClose()
    this.#flush()
  }

  send (frame: Buffer): boolean {
    if (this.sinkDone || this.#pendingClose !== undefined || this.scanner.close !== undefined) return false
    if (this.#queue.bytes + (this.#detached ? 0 : this.sink.writableLength) > MAX_UNSENT) return false
    this.#flushRun()
    if (this.#streaming || this.#detached || !this.#queue.isEmpty) this.#queue.add({ frames: [frame], size: frame.length })
    else this.write(frame)
    return true
  }

  override sinkLost (): void {
    this.#queue.clear()
    super.sinkLost()
  }

  // ---- Another connection in the place of one

  /** There is no sink until `attachSink()`: what comes is kept, up to `maxSize`. */
  detachSink (): void {
    if (this.#detached) return
    this.#flushRun()
    this.#detached = true
    if (this.#streaming) {
      this.#streaming = false
      this.#skipping = true
    }
    if (!this.blocked) return
    this.unblock()
    this.resume()
  }

  /** What was kept goes there. */
  attachSink (sink: Duplex): void {
    this.sink = sink
    this.#detached = false
    this.listenToSink()
    this.#flush()
  }

  /** The source is gone. What has come whole goes on; a message that was open is given up. */
  detachSource (): void {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#passAll(rest, Infinity)
    this.#abandoned = true
    this.#open = this.#control = this.held = this.#rest = undefined
    this.#full = false
    this.scanner.restart()
    this.ended = true
  }

  attachSource (source: Duplex): void {
    this.source = source
    this.ended = this.#abandoned = false
    this.readAt = performance.now()
    this.listenToSource()
  }

  // ---- What comes from the source

  override get isBusy (): boolean {
    return this.#queue.pending > 0
  }

  protected override get readable (): boolean {
    return super.readable && !this.#full
  }

  /** What has waited for the sink alone may be taken now. */
  protected override resume (): void {
    if (this.#full) this.#release()
    else super.resume()
  }

  protected pass (chunk: Buffer): void {
    if (this.#abandoned) return
    if (this.#rest !== undefined) {
      this.#rest = Buffer.concat([this.#rest, chunk])
      return
    }
    this.#passAll(chunk)
  }

  /**
   * @param limit Bytes that may be kept at most.
   * @param isOwn Whether the memory of the chunk is used for nothing else.
   */
  #passAll (chunk: Buffer, limit = this.#options.maxSize, isOwn = false): void {
    this.#chunk = chunk
    this.#runStart = this.#runEnd = 0
    let at = 0
    while (at < chunk.length) {
      if (limit !== Infinity && this.#isFull()) {
        const rest = at === 0 ? chunk : chunk.subarray(at)
        this.#rest = isOwn ? rest : Buffer.from(rest)
        this.#hold()
        break
      }
      const passed = this.#passFrame(at === 0 ? chunk : chunk.subarray(at), at)
      if (passed === 0 || this.#abandoned) break
      at += passed
    }
    this.#flushRun()
    this.#chunk = undefined
    if (this.#rest === undefined && this.#isFull()) this.#hold()
  }

  /** Passes what there is of one frame, and gives its length; 0 where there is nothing more to pass. */
  #passFrame (chunk: Buffer, at: number): number {
    const { scanner } = this
    const begins = scanner.atFrameBoundary
    const passed = scanner.scan(chunk, 'frame')
    if (scanner.violation !== undefined) {
      this.#flushRun()
      this.#events.onViolation(this, scanner.violation)
      return 0
    }
    if (passed === 0) {
      if (scanner.skip === 0) {
        this.held = Buffer.from(chunk)
        return 0
      }
      this.#endRun(at + scanner.skip)
      const { skip } = scanner
      scanner.skip = 0
      this.#events.onOwnPong(this)
      return skip
    }
    const bytes = passed === chunk.length ? chunk : chunk.subarray(0, passed)
    const isWhole = scanner.atFrameBoundary
    if (scanner.opcode >= 0x8) this.#takeControl(bytes, begins, isWhole, at)
    else this.#takeData(bytes, begins, isWhole, at)
    return scanner.violation === undefined && scanner.close === undefined ? passed : 0
  }

  #takeControl (bytes: Buffer, begins: boolean, isWhole: boolean, at: number): void {
    const { scanner } = this
    if (!isWhole || !begins) {
      this.#endRun(at + bytes.length)
      // Where breaches are let through, it may be of any length.
      if (scanner.remaining > Math.max(this.#options.maxSize, MAX_HEADERS)) return this.#tooLong()
      ;(this.#control ??= new GatheredBytes()).add(bytes, scanner)
      if (!isWhole) return
    }
    const frame = this.#control?.bytes ?? bytes
    this.#control = undefined
    if (scanner.close !== undefined) return this.#takeClose(frame, at, bytes.length)
    if (this.#detached && scanner.opcode === Opcode.ping) {
      this.#endRun(at + bytes.length)
      this.#events.onUnheardPing(this, payloadOf(frame, scanner))
      return
    }
    this.#goOn(frame, at, bytes.length, frame === bytes)
  }

  #takeClose (frame: Buffer, at: number, length: number): void {
    this.#endRun(at + length)
    if (this.#events.onCloseRead(this)) return
    if (this.sinkDone || this.#pendingClose !== undefined || this.#detached) {
      this.#events.onClose(this)
      return
    }
    // It stands within a message that goes on as it comes, and so ends that; nothing else may stand there.
    if (this.#streaming) this.#queue.clear()
    this.#streaming = false
    const { code } = this.scanner.close!
    const item: QueuedItem = {
      frames: [Buffer.from(frame)],
      size: frame.length,
      onSent: () => {
        this.closeSent = code
        this.#events.onClose(this)
        if (!this.sinkDone) this.sinkIsDone()
      }
    }
    this.#queue.add(item)
    this.#flush()
  }

  #takeData (bytes: Buffer, begins: boolean, isWhole: boolean, at: number): void {
    const { scanner } = this
    const ends = isWhole && scanner.final
    if (this.#goesNowhere) return this.#endRun(at + bytes.length)
    if (this.#skipping) {
      if (ends) this.#skipping = false
      return this.#endRun(at + bytes.length)
    }
    if (this.#streaming) {
      this.#goOn(bytes, at, bytes.length, true)
      if (!ends) return
      this.#flushRun()
      this.#streaming = false
      this.#flush()
      if (this.#pendingClose !== undefined) this.#queueClose()
      return
    }
    const { inspect } = this.#options
    if (this.#open === undefined && begins && ends) {
      if (bytes.length - scanner.headerLength > this.#options.maxSize && inspect !== undefined) return this.#tooLong()
      if (inspect === undefined) return this.#goOn(bytes, at, bytes.length, true)
      return this.#look(messageOf(bytes, scanner), inspect, bytes, at)
    }
    this.#endRun(at + bytes.length)
    this.#open ??= new GatheredMessage(scanner, inspect !== undefined)
    this.#open.add(bytes, begins, scanner)
    if (inspect === undefined) {
      if (!ends) {
        if (this.#open.size > this.#options.maxSize && !this.#detached) this.#stream(this.#open)
        return
      }
      const { frames } = this.#open
      this.#open = undefined
      return this.#sendFrames([frames])
    }
    const { maxSize } = this.#options
    const { length, size } = this.#open
    if (length + scanner.remaining > maxSize || size > 2 * maxSize + MAX_HEADERS) return this.#tooLong()
    if (!ends) return
    const { frames, message } = this.#open
    this.#open = undefined
    this.#look(message, inspect, [frames], at + bytes.length)
  }

  #tooLong (): void {
    this.#fault({ violation: 'a message that is too long', code: CloseCode.tooBig })
  }

  /** A message is longer than can be kept, and nobody looks at it. */
  #stream (message: GatheredMessage): void {
    this.#open = undefined
    this.#streaming = true
    this.write(message.frames)
  }

  /**
   * @param frames What goes on if the message may: a part of the chunk, or memory of its own.
   * @param at Where the part begins.
   */
  #look (message: Message, inspect: Inspect, frames: Buffer | readonly Buffer[], at: number): void {
    let verdict: ReturnType<Inspect>
    try {
      verdict = inspect(message)
    } catch (error) {
      message.release?.()
      return this.#events.onInspectError(this, error)
    }
    const isPart = Buffer.isBuffer(frames)
    if (verdict instanceof Promise) {
      // Its hooks may read it any time, and its memory is used again.
      message.keep?.()
      if (isPart) this.#endRun(at + frames.length)
      const own = isPart ? [Buffer.from(frames)] : frames
      const item: QueuedItem = { frames: undefined, size: sizeOf(own) + message.size }
      this.#queue.add(item)
      verdict.then(settled => this.#settle(item, settled, own), error => { if (!this.sinkDone && item.frames === undefined) this.#events.onInspectError(this, error) })
      return
    }
    message.release?.()
    if (verdict === 'pass' && !this.#dropsPending) {
      if (isPart) this.#goOn(frames, at, frames.length, true)
      else this.#sendFrames(frames)
      return
    }
    if (isPart) this.#endRun(at + frames.length)
    if (Buffer.isBuffer(verdict) && !this.#dropsPending) this.#sendFrames([verdict])
    else if (typeof verdict === 'object' && 'violation' in verdict) this.#fault(verdict)
  }

  #settle (item: QueuedItem, verdict: Verdict, own: readonly Buffer[]): void {
    // It may have been dropped meanwhile.
    if (this.sinkDone || item.frames !== undefined) return
    if (typeof verdict === 'object' && 'violation' in verdict) {
      // What came before it goes on; what came behind it does not.
      this.#queue.settle(item, [])
      this.#queue.dropBehind(item)
      this.#rest = undefined
      this.scanner.fault(verdict.violation, verdict.code)
      item.onSent = () => this.#events.onViolation(this, verdict.violation)
      // A Close of the gateway's own was dropped, too.
      if (this.#closeQueued) this.#addClose()
    } else {
      const goesOn = verdict !== 'drop' && !this.#dropsPending
      this.#queue.settle(item, !goesOn ? [] : verdict === 'pass' ? own : [verdict])
    }
    // What the gateway itself holds back is not missing (idleTimeout).
    this.dataAt = performance.now()
    this.#flush()
    this.#events.onProgress(this)
  }

  #fault ({ violation, code }: Fault): void {
    this.#flushRun()
    if (this.scanner.violation !== undefined || this.sinkDone) return
    this.scanner.fault(violation, code)
    this.#events.onViolation(this, violation)
  }

  // ---- What goes to the sink

  /** Lets a part of the chunk go on as it is. */
  #goOn (bytes: Buffer, at: number, length: number, isPart: boolean): void {
    if (this.#goesNowhere) return this.#endRun(at + length)
    if (isPart) {
      if (this.#runEnd !== at) this.#endRun(at)
      this.#runEnd = at + length
      return
    }
    this.#endRun(at + length)
    this.#sendFrames([Buffer.from(bytes)])
  }

  #sendFrames (frames: readonly Buffer[]): void {
    this.#flushRun()
    if (this.#goesNowhere) return
    if (this.#waits) this.#queue.add({ frames, size: sizeOf(frames) })
    else for (const frame of frames) this.write(frame)
  }

  /** What comes now is behind the end. */
  get #goesNowhere (): boolean {
    return this.sinkDone || this.#closeQueued || this.#dropsPending
  }

  /** Whether what comes now has its place in the queue. */
  get #waits (): boolean {
    return this.#detached || (!this.#queue.isEmpty && !this.#streaming)
  }

  /** Writes what may go on of the chunk. */
  #flushRun (): void {
    if (this.#runEnd > this.#runStart && !this.sinkDone) {
      const chunk = this.#chunk!
      const whole = this.#runStart === 0 && this.#runEnd === chunk.length
      const run = whole ? chunk : chunk.subarray(this.#runStart, this.#runEnd)
      this.#runStart = this.#runEnd
      if (this.#waits) this.#queue.add({ frames: [Buffer.from(run)], size: run.length })
      else this.write(run)
    } else {
      this.#runStart = this.#runEnd
    }
  }

  /** What goes on ends here; the next may begin at `next`. */
  #endRun (next: number): void {
    this.#flushRun()
    this.#runStart = this.#runEnd = next
  }

  #queueClose (): void {
    if (this.#closeQueued) return
    this.#flushRun()
    this.#closeQueued = true
    this.#open = undefined
    if (this.#detached) return this.stopNow(undefined, '')
    this.#addClose()
    this.#flush()
  }

  #addClose (): void {
    this.#queue.add({ frames: [], size: 0, onSent: () => this.finishSink(this.#pendingClose!) })
  }

  /** Sends what is ready. */
  #flush (): void {
    if (this.#detached || this.#streaming) return
    for (let item; !this.sinkDone && (item = this.#queue.take()) !== undefined;) {
      for (const frame of item.frames!) this.write(frame)
      item.onSent?.()
    }
    this.#release()
  }

  // ---- What the source is held back by

  #isFull (): boolean {
    if (this.sinkDone || this.#streaming) return false
    const { maxSize, maxPending } = this.#options
    // A short message may become a long one.
    if (this.blocked && this.sink.writableLength > maxSize + MAX_HEADERS) return true
    if (this.#queue.isEmpty && !this.#detached) return false
    return this.#queue.pending >= maxPending || this.#queue.length >= MAX_ITEMS || this.#queue.bytes + (this.#open?.size ?? 0) >= maxSize
  }

  #hold (): void {
    if (this.#full) return
    this.#full = true
    this.source.pause()
  }

  /** Takes what was left, and reads on. */
  #release (): void {
    // What is being passed looks for itself.
    if (!this.#full || this.#chunk !== undefined || this.#isFull()) return
    this.#full = false
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#passAll(rest, this.#options.maxSize, true)
    if (this.#full) return
    if (this.#pendingClose !== undefined && !this.sinkDone && !this.#streaming) this.#queueClose()
    this.resume()
  }

  protected override readOn (): void {
    this.#full = false
    const rest = this.#rest
    this.#rest = undefined
    // For the source's Close alone.
    if (rest !== undefined && this.scanner.close === undefined && this.scanner.violation === undefined) this.#passAll(rest)
    super.readOn()
  }
}
