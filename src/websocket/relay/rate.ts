import type { MessageRate } from '../../options/index.js'

/** A token bucket: so many tokens a second, up to a burst. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #filledAt: number

  /** @param now Milliseconds, of the clock that `take` is given too. */
  constructor (perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#filledAt = now
  }

  /**
   * Takes tokens, on credit if need be.
   *
   * @returns Milliseconds until the credit is paid back; 0 if none is due.
   */
  take (count: number, now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) / 1000 * this.#perSecond) - count
    this.#filledAt = now
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perSecond * 1000)
  }
}

/** Where no `frames` are given: as many for each message, and at least so many a second. */
const FRAMES_PER_MESSAGE = 10
const LEAST_FRAMES = 100

/** The rate of a session's client. */
export class RateLimit {
  readonly action: 'close' | 'delay'
  readonly #messages: TokenBucket
  readonly #frames: TokenBucket
  readonly #bytes: TokenBucket | undefined
  #seenMessages = 0
  #seenFrames = 0
  #seenBytes = 0

  /** @param now Milliseconds, of the clock that `wait` is given too. */
  constructor ({ messages, burst = Math.max(Math.ceil(messages), 1), frames, bytes, action = 'close' }: MessageRate, now: number) {
    this.action = action
    this.#messages = new TokenBucket(messages, burst, now)
    this.#frames = frames === undefined
      ? new TokenBucket(Math.max(messages * FRAMES_PER_MESSAGE, LEAST_FRAMES), Math.max(burst * FRAMES_PER_MESSAGE, LEAST_FRAMES), now)
      : new TokenBucket(frames, Math.max(frames, burst), now)
    this.#bytes = bytes === undefined ? undefined : new TokenBucket(bytes, bytes, now)
  }

  /**
   * Counts what has come.
   *
   * @param messages All messages so far.
   * @param frames All frames so far, control frames and those without payload included.
   * @param bytes All bytes so far.
   * @returns Milliseconds until the client is within its rate again; 0 when it is.
   */
  wait (messages: number, frames: number, bytes: number, now: number): number {
    const forMessages = this.#messages.take(messages - this.#seenMessages, now)
    const forFrames = this.#frames.take(frames - this.#seenFrames, now)
    const forBytes = this.#bytes?.take(bytes - this.#seenBytes, now) ?? 0
    this.#seenMessages = messages
    this.#seenFrames = frames
    this.#seenBytes = bytes
    return Math.max(forMessages, forFrames, forBytes)
  }
}
