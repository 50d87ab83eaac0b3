import { TargetUnreachableError } from '../../errors.js'
import type { AnswerHead } from '../answer.js'
import { Cancellation } from '../cancellation.js'
import type { HeaderList } from '../headers.js'
import type { TargetConnection } from './connection.js'
import type { AnswerListener, Exchange, SwitchedConnection, TargetRequest } from './exchange.js'

/** A request that has no complete answer yet: it waits for a connection, or has one. */
export class PendingExchange implements Exchange {
  readonly request: TargetRequest
  readonly listener: AnswerListener
  /** The head of the request, up to its last header line. */
  readonly head: string
  /** Gives up the dialling of a connection for it. */
  readonly cancellation = new Cancellation()
  queued = false
  #connection: TargetConnection | undefined
  #over = false

  constructor (request: TargetRequest, listener: AnswerListener, head: string) {
    this.request = request
    this.listener = listener
    this.head = head
  }

  get over (): boolean {
    return this.#over
  }

  get sent (): boolean {
    return this.#connection !== undefined
  }

  /** Goes out on a connection. */
  begin (connection: TargetConnection): void {
    this.#connection = connection
  }

  resume (): void {
    if (!this.#over) this.#connection!.resume()
  }

  cancel (): void {
    // An error is dear, and it is usually over by now.
    if (this.#over) return
    this.fail(new TargetUnreachableError({ cause: new Error('cancelled') }))
  }

  /** The connection speaks another protocol from now on. */
  switchTo (head: AnswerHead, connection: SwitchedConnection): void {
    this.#end()
    this.listener.onSwitch!(head, connection)
  }

  complete (trailers: HeaderList): void {
    this.#end()
    this.listener.onEnd(trailers)
  }

  fail (error: Error): void {
    if (this.#over) return
    this.#end()
    this.#connection?.abandon()
    this.cancellation.cancel()
    this.listener.onError(error)
  }

  #end (): void {
    this.#over = true
    // A body that has not been begun can go to another target.
    if (this.sent) this.request.body?.stop()
  }
}
