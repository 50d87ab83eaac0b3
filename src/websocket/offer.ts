import type { Socket } from 'node:net'
import { TargetAnswerInvalidError } from '../errors.js'
import type { Answer, AnswerHead } from '../upstreams/answer.js'
import type { Cancellation } from '../upstreams/cancellation.js'
import type { HeaderList } from '../upstreams/headers.js'
import { AnswerBody } from '../upstreams/http1/answer-body.js'
import { exchangeOn } from '../upstreams/http1/connection.js'
import type { AnswerListener, Exchange, SwitchedConnection } from '../upstreams/http1/exchange.js'
import { answerFault, type Offer } from './handshake.js'

/** What a target made of a handshake. */
export type OfferResult =
  | { accepted: true, socket: Socket, head: Buffer, message: string, headers: HeaderList }
  /** Any other answer, its body still to be read: it goes to the client as it is. */
  | { accepted: false, answer: Answer }

export interface OfferOptions {
  path: string
  headers: HeaderList
  offer: Offer
  /** Whether RFC 6455 decides which 101 is accepted, or any is (the route's option). Default: true. */
  strict?: boolean | undefined
  /** Milliseconds until the head of the answer must be there. */
  headersTimeout: number
  /** Milliseconds that the body of a refusal may stand still. */
  bodyTimeout: number
  /** Bytes that the head of the answer may have. */
  maxHeaderSize: number
  /** Gives the handshake up. */
  cancellation: Cancellation
}

/**
 * Makes the client's handshake to a target, on a connection of its own. A 101 is accepted only when all of
 * it is right, or where the route is not strict; the connection of any other is destroyed.
 *
 * @throws {TargetUnreachableError} when the connection breaks before an answer.
 * @throws {TargetTimeoutError} when there is no answer in time.
 * @throws {TargetAnswerInvalidError} for garbage, or a 101 that does not answer this offer.
 */
export function makeOffer (connection: Socket, options: OfferOptions): Promise<OfferResult> {
  return new Promise((resolve, reject) => {
    const { path, headers, cancellation, strict = true } = options
    const listener = new OfferListener(options, resolve, reject)
    listener.exchange = exchangeOn(connection, options, { method: 'GET', path, headers, body: null, upgrade: strict ? true : 'lenient' }, listener)
    if (cancellation.cancelled) listener.exchange.cancel()
    else cancellation.listener = () => listener.exchange!.cancel()
  })
}

/** Hears what becomes of an offer. */
class OfferListener implements AnswerListener {
  exchange: Exchange | undefined
  readonly #options: OfferOptions
  readonly #resolve: (result: OfferResult) => void
  readonly #reject: (error: Error) => void
  #body: AnswerBody | undefined

  constructor (options: OfferOptions, resolve: (result: OfferResult) => void, reject: (error: Error) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
  }

  onInterim (): void {
    // A handshake has nobody to tell it to.
  }

  onSwitch ({ message, headers }: AnswerHead, { socket, rest }: SwitchedConnection): void {
    this.#settle()
    const { offer, strict } = this.#options
    const fault = answerFault(offer, headers, strict)
    if (fault === undefined) return this.#resolve({ accepted: true, socket, head: rest, message, headers })
    socket.destroy()
    this.#reject(new TargetAnswerInvalidError({ cause: new Error(fault) }))
  }

  onHead (head: AnswerHead): void {
    this.#settle()
    this.#body = new AnswerBody(this.exchange!)
    this.#resolve({ accepted: false, answer: { ...head, body: this.#body } })
  }

  onChunk (chunk: Buffer): boolean {
    return this.#body!.add(chunk)
  }

  onEnd (): void {
    this.#body!.push(null)
  }

  onError (error: Error): void {
    this.#settle()
    if (this.#body === undefined) this.#reject(error)
    else this.#body.fail(error)
  }

  #settle (): void {
    this.#options.cancellation.listener = undefined
  }
}
