import { Direction, MAX_UNSENT, type PendingClose } from './direction.js'

const NOTHING = Buffer.alloc(0)

/** Relays bytes as they come, unchanged. */
export class ByteDirection extends Direction {
  #pendingClose: PendingClose | undefined
  /** Messages of the gateway's own that wait for the end of the open one. */
  #unsent: Buffer[] | undefined
  #unsentBytes = 0

  get atFrameBoundary (): boolean {
    return this.scanner.atFrameBoundary
  }

  stop (code: number | undefined, reason: string): void {
    if (this.sinkDone || this.#pendingClose !== undefined) return
    this.#pendingClose = { code, reason }
    if (this.scanner.atMessageBoundary) this.finishSink(this.#pendingClose)
  }

  stopNow (code: number | undefined, reason: string): void {
    if (this.sinkDone) return
    this.#pendingClose ??= { code, reason }
    if (!this.scanner.atFrameBoundary) this.#pendingClose.code = undefined
    this.finishSink(this.#pendingClose)
  }

  /** What has been read has been relayed by now. */
  stopBehind (code: number | undefined, reason: string): void {
    this.stopNow(code, reason)
  }

  send (frame: Buffer): boolean {
    if (this.sinkDone || this.#pendingClose !== undefined || this.sink.writableLength + this.#unsentBytes > MAX_UNSENT) return false
    if (this.scanner.atMessageBoundary) {
      this.write(frame)
    } else {
      (this.#unsent ??= []).push(frame)
      this.#unsentBytes += frame.length
    }
    return true
  }

  protected pass (chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0;) rest = this.#passSome(rest)
  }

  /** Passes on what it can at once, and gives what is still to be passed. */
  #passSome (chunk: Buffer): Buffer {
    const { scanner } = this
    const waits = !this.sinkDone && (this.#pendingClose !== undefined || this.#unsent !== undefined)
    const passed = scanner.scan(chunk, waits ? 'message' : undefined)
    if (passed > 0 && !this.sinkDone) this.write(passed === chunk.length ? chunk : chunk.subarray(0, passed))
    if (scanner.close !== undefined) {
      this.events.onCloseRead(this)
      if (!this.sinkDone) this.closeSent = scanner.close.code
      this.events.onClose(this)
      if (!this.sinkDone) this.sinkIsDone()
    } else if (scanner.violation !== undefined) {
      this.events.onViolation(this, scanner.violation)
    } else if (waits && scanner.atMessageBoundary) {
      this.#sendUnsent()
      if (this.#pendingClose !== undefined) this.finishSink(this.#pendingClose)
      // Behind a Close, the rest is read for the source's own Close alone.
      return chunk.subarray(passed)
    } else if (scanner.skip > 0) {
      const rest = chunk.subarray(passed + scanner.skip)
      scanner.skip = 0
      this.events.onOwnPong(this)
      return rest
    } else if (passed < chunk.length) {
      this.held = Buffer.from(chunk.subarray(passed))
    }
    return NOTHING
  }

  #sendUnsent (): void {
    const unsent = this.#unsent
    if (unsent === undefined) return
    this.#unsent = undefined
    this.#unsentBytes = 0
    for (const frame of unsent) this.write(frame)
  }
}
