import type { MessageRate } from '../../options/index.js'
import { TokenBucket, type Party } from './token-bucket.js'

/** Where no `frames` are given: as many for each message, and at least so many a second. */
const FRAMES_PER_MESSAGE = 10
const LEAST_FRAMES = 100

/** A rate, and since when it is in force. */
export interface RateInForce {
  rate: MessageRate
  since: number
}

/** The tokens a second of one kind, and how many there may be at once. */
type Refill = readonly [perSecond: number, burst: number]

interface Refills {
  messages: Refill
  frames: Refill
  bytes: Refill | undefined
}

/** Messages, frames and bytes that may still be sent, by one session or by all of a key. */
export class RateBucket {
  readonly #inForce: RateInForce
  #rate: MessageRate
  readonly #messages: TokenBucket
  readonly #frames: TokenBucket
  #bytes: TokenBucket | undefined

  /** @param inForce Looked at whenever something is taken, since it may change. */
  constructor (inForce: RateInForce, now: number) {
    const { messages, frames, bytes } = refillsOf(inForce.rate)
    this.#inForce = inForce
    this.#rate = inForce.rate
    this.#messages = new TokenBucket(...messages, now)
    this.#frames = new TokenBucket(...frames, now)
    this.#bytes = bytes && new TokenBucket(...bytes, now)
  }

  /** Counts what a party has sent. Returns how long it takes until it is within the rate; 0 when it is. */
  take (party: Party, messages: number, frames: number, bytes: number, now: number): number {
    this.#update()
    return Math.max(
      this.#messages.take(party, messages, now),
      this.#frames.take(party, frames, now),
      this.#bytes?.take(party, bytes, now) ?? 0)
  }

  /** Makes a party wait until all that is owed now is paid back. */
  queue (party: Party, now: number): void {
    this.#update()
    for (const bucket of this.#all) bucket.queue(party, now)
  }

  /** Whether more was sent than is paid back. */
  isInDebt (now: number): boolean {
    this.#update()
    return this.#all.some(bucket => bucket.isInDebt(now))
  }

  /** Makes what one party owes another one's. */
  pass (from: Party, to: Party, now: number): void {
    this.#update()
    for (const bucket of this.#all) bucket.pass(from, to, now)
  }

  /** How long it takes until it is as if nothing had been sent; 0 when it is. */
  untilFull (now: number): number {
    this.#update()
    return Math.max(...this.#all.map(bucket => bucket.untilFull(now)))
  }

  get #all (): TokenBucket[] {
    return this.#bytes === undefined ? [this.#messages, this.#frames] : [this.#messages, this.#frames, this.#bytes]
  }

  #update (): void {
    const { rate, since } = this.#inForce
    if (rate === this.#rate) return
    this.#rate = rate
    const { messages, frames, bytes } = refillsOf(rate)
    this.#messages.change(...messages, since)
    this.#frames.change(...frames, since)
    if (bytes === undefined) this.#bytes = undefined
    else if (this.#bytes === undefined) this.#bytes = new TokenBucket(...bytes, since)
    else this.#bytes.change(...bytes, since)
  }
}

function refillsOf ({ messages, burst = Math.max(Math.ceil(messages), 1), frames, bytes }: MessageRate): Refills {
  return {
    messages: [messages, burst],
    frames: frames === undefined
      ? [Math.max(messages * FRAMES_PER_MESSAGE, LEAST_FRAMES), Math.max(burst * FRAMES_PER_MESSAGE, LEAST_FRAMES)]
      : [frames, Math.max(frames, burst)],
    bytes: bytes === undefined ? undefined : [bytes, bytes]
  }
}
