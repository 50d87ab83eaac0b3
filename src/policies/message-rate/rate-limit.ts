import type { MessageRate } from '../../options/index.js'
import type { SideRate } from '../../proxy/policy.js'
import { RateBucket } from './rate-bucket.js'

/** The rate of one side of a session, whose bucket may be that of other sessions, too. */
export class RateLimit implements SideRate {
  readonly action: 'close' | 'delay'
  readonly #bucket: RateBucket
  #seenMessages = 0
  #seenFrames = 0
  #seenBytes = 0
  #isOver = false

  constructor (action: MessageRate['action'], bucket: RateBucket) {
    this.action = action ?? 'close'
    this.#bucket = bucket
  }

  /** Waits for what others of its key owe: else each new session, or each reconnect, would have a read for nothing. */
  begin (now: number): number {
    if (this.action === 'close') return 0
    this.#bucket.queue(this, now)
    return this.wait(now)
  }

  count (messages: number, frames: number, bytes: number, now: number): number {
    if (this.#isOver) return 0
    const wait = this.#bucket.take(this, messages - this.#seenMessages, frames - this.#seenFrames, bytes - this.#seenBytes, now)
    this.#seenMessages = messages
    this.#seenFrames = frames
    this.#seenBytes = bytes
    return wait
  }

  wait (now: number): number {
    return this.#bucket.take(this, 0, 0, 0, now)
  }

  stop (): void {
    this.#isOver = true
  }

  /** The session has ended. What it owes is left to its key, as one debt for all that have ended. */
  leave (now: number): void {
    this.stop()
    this.#bucket.pass(this, this.#bucket, now)
  }
}
