import { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BodyConsumedError, BodyTimeoutError, BodyTooLargeError, TargetTimeoutError } from '../errors.js'
import { withoutHeaders, type HeaderList } from '../upstreams/headers.js'

/** The bodies of requests whose preParsing hooks have run, as these have left them. */
export const bodies = new WeakMap<FastifyRequest, Readable>()

/** What a body may take. */
export interface BodyLimits {
  /** Milliseconds that it may stand still. */
  timeout: number
  /** Bytes that it may have. */
  size: number
}

/**
 * The body of a request, to be sent on.
 *
 * @throws {BodyTooLargeError} when it is announced as longer than it may be.
 * @throws {BodyConsumedError} when somebody has read it already.
 */
export function requestBody (request: FastifyRequest, reply: FastifyReply, limits: BodyLimits): RequestBody {
  // Behind a body that is not read to its end, no request can follow.
  const closeConnection = () => { if (!reply.sent) reply.header('connection', 'close') }
  if (Number(request.headers['content-length']) > limits.size) {
    closeConnection()
    throw new BodyTooLargeError()
  }
  const source = bodies.get(request)
  const taken = source === undefined || source.readableDidRead || source.readableFlowing === true || source.readableEnded
  if (taken || (request.body !== undefined && request.body !== null)) {
    throw new BodyConsumedError({ cause: new Error(`a hook of route '${request.routeOptions.url}' has read the body; a preParsing hook may replace it, and must not ask for request.method`) })
  }
  const body = new RequestBody(source, limits)
  body.on('error', closeConnection)
  return body
}

/**
 * The headers of a request to a target, less those that do not hold for what a hook has made of its body. A
 * length does not; an encoding does not once the hook has decoded it, which Fastify has it tell by a property of
 * the stream.
 */
export function headersOfBody (request: FastifyRequest, headers: HeaderList): HeaderList {
  const source = bodies.get(request)
  if (source === undefined || source === request.raw) return headers
  return withoutHeaders(headers, 'receivedEncodedLength' in source ? ['content-length', 'content-encoding'] : ['content-length'])
}

/**
 * A client's body on its way to a target, with backpressure and limits on standstill and size.
 *
 * undici destroys a body whose request fails; the client's own stream must live on, to carry the answer.
 */
export class RequestBody extends Readable {
  readonly #source: Readable
  readonly #timer: NodeJS.Timeout
  #left: number
  #waitsForTarget = false

  constructor (source: Readable, { timeout, size }: BodyLimits) {
    super()
    this.#source = source
    this.#left = size
    // Whose fault a standstill is depends on who is waited for.
    this.#timer = setTimeout(() => this.destroy(this.#waitsForTarget ? new TargetTimeoutError() : new BodyTimeoutError()), timeout)
    // The request that it belongs to may have failed before anybody listened.
    this.on('error', () => {})
    if (source.errored) this.destroy(source.errored)
    source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
  }

  override _read (): void {
    this.#waitsForTarget = false
    this.#timer.refresh()
    this.#source.resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    this.#source.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#timer.refresh()
    this.#left -= chunk.length
    if (this.#left < 0) {
      this.destroy(new BodyTooLargeError())
      return
    }
    if (this.push(chunk)) return
    this.#waitsForTarget = true
    this.#source.pause()
  }

  readonly #onEnd = (): void => {
    clearTimeout(this.#timer)
    this.push(null)
  }

  readonly #onError = (error: Error): void => { this.destroy(error) }

  readonly #onClose = (): void => {
    if (this.#source instanceof IncomingMessage ? !this.#source.complete : !this.#source.readableEnded) this.destroy(new Error('the client broke off its body'))
  }
}
