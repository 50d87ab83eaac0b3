import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { TargetAnswerInvalidError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import { Cancellation } from '../upstreams/cancellation.js'
import { dial } from '../upstreams/dial.js'
import { headerPairs, headerValues, type HeaderList } from '../upstreams/headers.js'
import type { Target } from '../upstreams/target.js'
import type { AnswerListener, Exchange, ForwardedRequest } from './forward.js'

/**
 * A request on a connection of its own, with Node's client: it carries what undici cannot, an expectation of
 * 100 Continue and the trailers of a request.
 */
export class OwnExchange implements Exchange {
  sent = false
  readonly #target: Target
  readonly #forwarded: ForwardedRequest
  readonly #listener: AnswerListener
  readonly #cancellation = new Cancellation()
  #request: ClientRequest | undefined
  #response: IncomingMessage | undefined
  #timer: NodeJS.Timeout | undefined
  #over = false

  constructor (target: Target, request: ForwardedRequest, listener: AnswerListener) {
    this.#target = target
    this.#forwarded = request
    this.#listener = listener
    this.#send().catch((error: Error) => this.#fail(error))
  }

  resume (): void {
    this.#response!.resume()
  }

  cancel (): void {
    if (this.#over) return
    this.#cancellation.cancel()
    this.#fail(new TargetUnreachableError({ cause: new Error('cancelled') }))
  }

  async #send (): Promise<void> {
    const { address, policy } = this.#target
    const { method, path, body, onContinue, trailers } = this.#forwarded
    const connection = await dial(address, { timeout: policy.connectTimeout, tls: policy.tls, cancellation: this.#cancellation })
    connection.on('error', () => {})
    const request = httpRequest({ method, path, headers: ownHeaders(this.#forwarded) as never, createConnection: () => connection, insecureHTTPParser: false })
    this.#request = request
    this.sent = true
    request.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
      if (statusCode !== 100) this.#listener.onInterim({ status: statusCode, message: statusMessage, headers: rawHeaders })
    })
    request.on('continue', () => onContinue?.())
    request.on('upgrade', (_response, socket) => {
      socket.destroy()
      this.#fail(new TargetAnswerInvalidError({ cause: new Error('a 101 that nobody asked for') }))
    })
    request.on('response', response => this.#onResponse(response))
    request.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code?.startsWith('HPE_') === true) this.#fail(new TargetAnswerInvalidError({ cause }))
      else this.#fail(new TargetUnreachableError({ cause }))
    })
    // The time for the body is that of its own limits.
    request.on('finish', () => {
      // The answer may have begun before the end of the body.
      if (this.#response !== undefined) return
      this.#timer = setTimeout(() => this.#fail(new TargetTimeoutError()), policy.headersTimeout)
    })
    body!.on('error', error => this.#fail('statusCode' in error ? error : new TargetUnreachableError({ cause: error })))
    if (trailers !== undefined) body!.once('end', () => request.addTrailers(headerPairs(trailers.read())))
    body!.pipe(request)
  }

  #onResponse (response: IncomingMessage): void {
    const status = response.statusCode!
    if (status === 101) return this.#fail(new TargetAnswerInvalidError({ cause: new Error('a 101 that nobody asked for') }))
    clearTimeout(this.#timer)
    this.#response = response
    response.setTimeout(this.#target.policy.bodyTimeout, () => {
      // A client that does not read has a limit of its own.
      if (!response.isPaused()) this.#fail(new TargetTimeoutError())
    })
    response.on('error', cause => this.#fail(new TargetUnreachableError({ cause })))
    this.#listener.onHead({ status, message: response.statusMessage!, headers: response.rawHeaders })
    response.on('data', (chunk: Buffer) => { if (!this.#listener.onChunk(chunk)) response.pause() })
    response.on('end', () => {
      if (this.#over) return
      this.#end()
      this.#listener.onEnd(response.rawTrailers)
    })
  }

  #fail (error: Error): void {
    if (this.#over) return
    this.#end()
    this.#listener.onError(error)
  }

  /** Also the rest of the body, when the answer came before its end. */
  #end (): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#forwarded.body?.destroy()
    this.#request?.destroy()
  }
}

/** What this hop adds. Node frames by the headers, and for some methods not at all without them. */
function ownHeaders ({ headers, onContinue, trailers }: ForwardedRequest): HeaderList {
  const own = [...headers, 'Connection', 'close']
  if (headerValues(headers, 'content-length').length === 0) own.push('Transfer-Encoding', 'chunked')
  if (onContinue !== undefined) own.push('Expect', '100-continue')
  if (trailers !== undefined) own.push('Trailer', trailers.names)
  return own
}
