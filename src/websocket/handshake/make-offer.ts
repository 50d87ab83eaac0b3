import type { Socket } from 'node:net'
import { TargetResponseInvalidError } from '../../errors.js'
import type { TargetResponse, ResponseHead } from '../../message/response.js'
import type { Cancellation } from '../../net/cancellation.js'
import type { HeaderList } from '../../message/headers.js'
import { ResponseBody } from '../../upstreams/http1/response-body.js'
import { exchangeOn } from '../../upstreams/http1/connection.js'
import type { ResponseListener, SwitchedConnection, TargetExchange, TargetLimits } from '../../upstreams/http1/target-exchange.js'
import type { Offer } from '../../message/offer.js'
import { responseFault } from './validation.js'

/** What a target made of a handshake. */
export type OfferResult =
  | { accepted: true, socket: Socket, head: Buffer, message: string, headers: HeaderList }
  /** Any other response, its body still to be read: it goes to the client as it is. */
  | { accepted: false, response: TargetResponse }

export interface OfferOptions {
  path: string
  headers: HeaderList
  offer: Offer
  /** Whether RFC 6455 decides which 101 is accepted, or any is (the route's option). Default: true. */
  strict?: boolean | undefined
  /** Of the target; its `headersTimeout` is that of the handshake. */
  limits: TargetLimits
  /** Gives the handshake up. */
  cancellation: Cancellation
}

/**
 * Makes the client's handshake to a target, on a connection of its own. A 101 is accepted only when all of
 * it is right, or where the route is not strict; the connection of any other is destroyed.
 *
 * @throws {TargetUnreachableError} when the connection breaks before a response.
 * @throws {TargetTimeoutError} when there is no response in time.
 * @throws {TargetResponseInvalidError} for garbage, or a 101 that does not match this offer.
 */
export function makeOffer (connection: Socket, options: OfferOptions): Promise<OfferResult> {
  return new Promise((resolve, reject) => {
    const { path, headers, cancellation, strict = true } = options
    const listener = new OfferListener(options, resolve, reject)
    listener.exchange = exchangeOn(connection, options.limits, { method: 'GET', path, headers, body: null, upgrade: strict ? true : 'lenient' }, listener)
    if (cancellation.reason !== undefined) listener.exchange.cancel(cancellation.reason)
    else cancellation.listener = reason => listener.exchange!.cancel(reason)
  })
}

/** Hears what becomes of an offer. */
class OfferListener implements ResponseListener {
  exchange: TargetExchange | undefined
  readonly #options: OfferOptions
  readonly #resolve: (result: OfferResult) => void
  readonly #reject: (error: Error) => void
  #body: ResponseBody | undefined

  constructor (options: OfferOptions, resolve: (result: OfferResult) => void, reject: (error: Error) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
  }

  onInterim (): void {
    // A handshake has nobody to tell it to.
  }

  onSwitch ({ message, headers }: ResponseHead, { socket, rest }: SwitchedConnection): void {
    this.#settle()
    const { offer, strict } = this.#options
    const fault = responseFault(offer, headers, strict)
    if (fault === undefined) return this.#resolve({ accepted: true, socket, head: rest, message, headers })
    socket.destroy()
    this.#reject(new TargetResponseInvalidError({ cause: new Error(fault) }))
  }

  onHead (head: ResponseHead): void {
    this.#settle()
    this.#body = new ResponseBody(this.exchange!)
    this.#resolve({ accepted: false, response: { ...head, body: this.#body } })
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
