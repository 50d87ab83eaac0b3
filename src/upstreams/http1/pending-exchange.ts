import { AsyncResource } from 'node:async_hooks'
import { TargetUnreachableError } from '../../errors.js'
import type { AnswerHead } from '../answer.js'
import { Cancellation } from '../cancellation.js'
import type { HeaderList } from '../headers.js'
import type { TargetConnection } from './connection.js'
import type { AnswerListener, Exchange, SwitchedConnection, TargetRequest } from './exchange.js'

/**
 * A request that has no complete answer yet: it waits for a connection, or has one.
 *
 * A connection calls back in the async context of the request that has dialled it, or that was sent on it before. It
 * enters this resource first, so that the listener sees the AsyncLocalStorage of its own request.
 */
export class PendingExchange extends AsyncResource implements Exchange {
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
    // There is no moment at which nobody needs it any more, so it goes with its memory.
    super('SluiceExchange')
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

  /** The connection speaks another protocol from now on. Called in the context of the request, as is `complete()`. */
  switchTo (head: AnswerHead, connection: SwitchedConnection): void {
    this.#end()
    this.listener.onSwitch!(head, connection)
  }

  complete (trailers: HeaderList): void {
    this.#end()
    this.listener.onEnd(trailers)
  }

  /** Called in any context: by timers, by the client that leaves, by whoever closes the pool. */
  fail (error: Error): void {
    if (!this.#over) this.runInAsyncScope(this.#fail, this, error)
  }

  #fail (error: Error): void {
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
