import type { Readable } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import { TargetAnswerInvalidError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import type { AnswerHead } from '../upstreams/answer.js'
import type { HeaderList } from '../upstreams/headers.js'
import type { Target } from '../upstreams/target.js'
import { OwnExchange } from './own-exchange.js'

/** A request as a target gets it. */
export interface ForwardedRequest {
  method: string
  path: string
  headers: HeaderList
  body: Readable | null
  /** Where the client waits for 100 Continue: the target wants the body. */
  onContinue?: (() => void) | undefined
  /** Where the client has announced trailers: their names, and what they are once the body has ended. */
  trailers?: { names: string, read: () => HeaderList } | undefined
}

/** Who hears the target's answer. */
export interface AnswerListener {
  /** An answer before the answer (RFC 9110 §15.2), such as 103 Early Hints. */
  onInterim (head: AnswerHead): void
  /** The head of the answer. Its body follows. */
  onHead (head: AnswerHead): void
  /** @returns Whether to go on; if not, `resume()` of the exchange does. */
  onChunk (chunk: Buffer): boolean
  /** The answer is complete. */
  onEnd (trailers: HeaderList): void
  /**
   * There is no answer, or it ends before its end:
   * {TargetUnreachableError} when the connection cannot be made or breaks,
   * {TargetTimeoutError} when the target is silent for too long, and
   * {TargetAnswerInvalidError} when what comes is not HTTP.
   */
  onError (error: Error): void
}

/** A request under way to a target, and its answer. */
export interface Exchange {
  /** A connection was there, and the request has been written to it, or some of it. */
  readonly sent: boolean
  /** Goes on with the answer's body. */
  resume (): void
  /** Cancels the request, at any stage. Afterwards it does nothing. */
  cancel (): void
}

/** Sends a request to a target. */
export function forward (target: Target, request: ForwardedRequest, listener: AnswerListener): Exchange {
  // undici knows neither.
  if (request.onContinue !== undefined || request.trailers !== undefined) return new OwnExchange(target, request, listener)
  const exchange = new PooledExchange(request, listener)
  const { method, path, headers, body } = request
  // Fastify lets no method through that undici does not know.
  target.pool.dispatch({ method: method as Dispatcher.HttpMethod, path, headers, body, servername: target.servername } as Dispatcher.DispatchOptions, exchange)
  return exchange
}

/** A request on one of undici's connections to a target. */
class PooledExchange implements Exchange, Dispatcher.DispatchHandler {
  readonly #request: ForwardedRequest
  readonly #listener: AnswerListener
  #abort: ((reason?: Error) => void) | undefined
  #resume: (() => void) | undefined
  #status = 0
  #over = false
  #cancelled = false
  sent = false

  constructor (request: ForwardedRequest, listener: AnswerListener) {
    this.#request = request
    this.#listener = listener
  }

  resume (): void {
    this.#resume!()
  }

  cancel (): void {
    if (this.#over || this.#cancelled) return
    this.#cancelled = true
    this.#abort?.(new Error('cancelled'))
  }

  onConnect (abort: (reason?: Error) => void): void {
    this.#abort = abort
    this.sent = true
    if (this.#cancelled) abort(new Error('cancelled'))
  }

  onHeaders (status: number, headers: Buffer[], resume: () => void, message: string): boolean {
    // Nobody has asked for a 101, and undici would not take the one that it lets through for an end.
    if (status < 100 || status === 101) throw new TargetAnswerInvalidError({ cause: new Error(`the status ${status}`) })
    const head = { status, message, headers: texts(headers) }
    if (status < 200) {
      this.#listener.onInterim(head)
    } else {
      this.#resume = resume
      this.#status = status
      this.#listener.onHead(head)
    }
    return true
  }

  onData (chunk: Buffer): boolean {
    return this.#listener.onChunk(chunk)
  }

  onComplete (trailers: unknown): void {
    this.#over = true
    this.#listener.onEnd(texts(trailers as Buffer[] | null))
  }

  onError (error: Error): void {
    // A 304 may tell the length that a 200 would have (RFC 9110 §8.6), some a 204 too; undici then misses the body.
    if ((this.#status === 304 || this.#status === 204) && error instanceof errors.ResponseContentLengthMismatchError) return this.onComplete(null)
    this.#over = true
    this.#request.body?.destroy()
    const tell = () => this.#listener.onError(asGatewayError(error))
    // What undici does not take it tells at once, before the listener knows of this exchange.
    if (this.sent) tell()
    else queueMicrotask(tell)
  }
}

const NONE: HeaderList = []

function texts (headers: Buffer[] | null): HeaderList {
  if (headers === null || headers.length === 0) return NONE
  const list: HeaderList = new Array(headers.length)
  for (let index = 0; index < headers.length; index++) list[index] = headers[index]!.toString('latin1')
  return list
}

/** What a client is told of an error of undici's. The error itself becomes the cause, for the log. */
function asGatewayError (cause: Error): Error {
  // It says already what the client is told: a body that stood still, or that a hook could not decode.
  if ('statusCode' in cause) return cause
  if (cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError) return new TargetTimeoutError({ cause })
  if (BAD_ANSWERS.some(kind => cause instanceof kind) || isBadAnswer(cause)) return new TargetAnswerInvalidError({ cause })
  return new TargetUnreachableError({ cause })
}

/** The mismatch also stands for any other error behind a length, a second length for one. */
const BAD_ANSWERS = [errors.HTTPParserError, errors.HeadersOverflowError, errors.ResponseContentLengthMismatchError]

/** What undici calls a 101, and a 100, that nobody has asked for. */
function isBadAnswer (error: Error): boolean {
  return error instanceof errors.SocketError && (error.message === 'bad upgrade' || error.message === 'bad response')
}
