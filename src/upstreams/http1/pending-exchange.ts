import { AsyncResource } from 'node:async_hooks'
import type { ResponseHead } from '../../message/response.js'
import { Cancellation } from '../../net/cancellation.js'
import type { HeaderList } from '../../message/headers.js'
import type { ResponseListener, TargetExchange, SwitchedConnection, TargetLimits, TargetRequest } from './target-exchange.js'

/** The connection that a request has been sent on. */
interface Carrier {
  /** Goes on reading the response. */
  resume (): void
  /** The exchange is over before its end. */
  abandon (): void
}

/**
 * A request that has no complete response yet: it waits for a connection, or has one.
 *
 * A connection calls back in the async context of the request that has dialled it, or that was sent on it before. It
 * enters this resource first, so that the listener sees the AsyncLocalStorage of its own request.
 */
export class PendingExchange extends AsyncResource implements TargetExchange {
  readonly request: TargetRequest
  readonly listener: ResponseListener
  /** The head of the request, up to its last header line. */
  readonly head: string
  /** Gives up the dialling of a connection for it. */
  readonly cancellation = new Cancellation()
  readonly limits: TargetLimits
  queued = false
  reused = false
  connectedAt = 0
  sentAt = 0
  #carrier: Carrier | undefined
  #over = false

  constructor (request: TargetRequest, listener: ResponseListener, head: string, limits: TargetLimits) {
    // There is no moment at which nobody needs it any more, so it goes with its memory.
    super('SluiceExchange')
    this.request = request
    this.listener = listener
    this.head = head
    this.limits = limits
  }

  get over (): boolean {
    return this.#over
  }

  get sent (): boolean {
    return this.#carrier !== undefined
  }

  /** Goes out on a connection. @param reused Whether that has carried a request before. */
  begin (carrier: Carrier, reused: boolean): void {
    this.#carrier = carrier
    this.reused = reused
    this.connectedAt = performance.now()
  }

  resume (): void {
    if (!this.#over) this.#carrier!.resume()
  }

  cancel (reason: Error): void {
    this.fail(reason)
  }

  /** The connection speaks another protocol from now on. Called in the context of the request, as is `complete()`. */
  switchTo (head: ResponseHead, connection: SwitchedConnection): void {
    this.#end()
    this.listener.onSwitch!(head, connection)
  }

  complete (trailers: HeaderList): void {
    this.#end()
    this.listener.onEnd(trailers)
  }

  /** Called in any async context: by timers, when the client leaves, when the pool closes. */
  fail (error: Error): void {
    if (!this.#over) this.runInAsyncScope(this.#fail, this, error)
  }

  #fail (error: Error): void {
    this.#end()
    this.#carrier?.abandon()
    this.cancellation.cancel(error)
    this.listener.onError(error)
  }

  #end (): void {
    this.#over = true
    // A body that has not been begun can go to another target.
    if (this.sent) this.request.body?.stop()
  }
}
