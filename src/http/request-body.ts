import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BodyConsumedError, BodyFailedError, BodyTimeoutError, BodyTooLargeError, ClientLeftError, TargetTimeoutError } from '../errors.js'
import { headerValues, withoutHeaders, type HeaderList } from '../message/headers.js'
import type { BodySink, OutgoingBody } from '../upstreams/http1/target-exchange.js'

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
 * @param onFailure It cannot be read to its end.
 * @throws {BodyTooLargeError} when it is announced as longer than it may be.
 * @throws {BodyConsumedError} when somebody has read it already.
 */
export function requestBody (request: FastifyRequest, reply: FastifyReply, limits: BodyLimits, onFailure: (error: Error) => void): RequestBody {
  // Behind a body that is not read to its end, no request can follow.
  const closeConnection = () => { if (!reply.sent) reply.header('connection', 'close') }
  if (Number(headerValues(request.raw.rawHeaders, 'content-length')[0]) > limits.size) {
    closeConnection()
    throw new BodyTooLargeError()
  }
  const source = bodies.get(request)
  const taken = source === undefined || source.readableDidRead || source.readableFlowing === true || source.readableEnded
  if (taken || (request.body !== undefined && request.body !== null)) {
    throw new BodyConsumedError({ cause: new Error(`a hook of route '${request.routeOptions.url}' has read the body; a preParsing hook may replace it, and must not ask for request.method`) })
  }
  return new RequestBody(source, reply.raw, limits, error => {
    closeConnection()
    onFailure(error)
  })
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
 * A client's body on its way to a target, with backpressure and limits on standstill and size. Until it flows, it
 * waits at the client, within the limits of what it waits for.
 */
export class RequestBody implements OutgoingBody {
  readonly #source: Readable
  readonly #response: ServerResponse
  readonly #timeout: number
  readonly #onFailure: (error: Error) => void
  #timer: NodeJS.Timeout | undefined
  #sink: BodySink | undefined
  #failure: Error | undefined
  readonly #limit: number
  /** Bytes that have been given to a target. */
  size = 0
  /** The request has a response, or none will come. */
  #unwanted = false
  /** By its connection, when the time began. */
  #bytesRead = 0
  /** Whose fault a standstill is depends on who is waited for. */
  #waitsForTarget = false

  /**
   * @param response The response to the request.
   * @param onFailure The body cannot be read to its end.
   */
  constructor (source: Readable, response: ServerResponse, { timeout, size }: BodyLimits, onFailure: (error: Error) => void) {
    this.#source = source
    this.#response = response
    this.#limit = size
    this.#onFailure = onFailure
    this.#timeout = timeout
    source.on('error', this.#onError).on('close', this.#onClose)
    if (source.errored) this.#fail(source.errored)
  }

  /** Why it cannot be read to its end; with a `statusCode` if the client gets it. */
  get failure (): Error | undefined {
    return this.#failure
  }

  flow (sink: BodySink): void {
    this.#sink = sink
    if (this.#failure !== undefined) {
      process.nextTick(() => sink.onError(this.#failure!))
      return
    }
    this.#source.on('data', this.#onData).on('end', this.#onEnd)
    this.resume()
  }

  resume (): void {
    if (this.#failure !== undefined) return
    this.#waitsForTarget = false
    this.#setTimer()
    this.#source.resume()
  }

  stop (): void {
    const source = this.#source
    source.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    // A client may read nothing before it has sent the rest, and its next request stands behind that. Where nothing
    // has been read, Node does the same.
    if (this.#sink !== undefined) source.resume()
    if (source instanceof IncomingMessage && !source.complete && !source.destroyed) this.#linger(source)
    else clearTimeout(this.#timer)
  }

  /** What nobody wants any more may not stand still for ever, either. */
  #linger (request: IncomingMessage): void {
    if (this.#unwanted) return
    this.#unwanted = true
    const { socket } = request
    this.#bytesRead = socket.bytesRead
    // The connection keeps the process alive.
    this.#setTimer().unref()
    const over = (): void => {
      clearTimeout(this.#timer)
      request.off('close', over)
      socket.off('close', over)
    }
    // Node drops its reference to a request whose response is done, also when its connection is closed.
    request.on('close', over)
    socket.on('close', over)
  }

  #setTimer (): NodeJS.Timeout {
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#onTimeout(), this.#timeout)
    else this.#timer.refresh()
    return this.#timer
  }

  #onTimeout (): void {
    if (!this.#unwanted) return this.#fail(this.#waitsForTarget ? new TargetTimeoutError() : new BodyTimeoutError())
    // Node reads the rest without a word.
    const { bytesRead } = (this.#source as IncomingMessage).socket
    if (bytesRead === this.#bytesRead && this.#response.writableFinished) {
      this.#source.destroy()
    } else {
      this.#bytesRead = bytesRead
      this.#setTimer()
    }
  }

  #fail (error: Error): void {
    this.#failure = 'statusCode' in error ? error : this.#hasLeft ? new ClientLeftError({ cause: error }) : new BodyFailedError({ cause: error })
    this.stop()
    this.#onFailure(this.#failure)
    this.#sink?.onError(this.#failure)
  }

  get #hasLeft (): boolean {
    const { req } = this.#response
    return !req.complete && (req.destroyed || req.socket.destroyed)
  }

  /** A hook's stream may give anything. The length of a text in bytes is not its own. */
  readonly #onData = (given: unknown): void => {
    this.#setTimer()
    const chunk = typeof given === 'string' ? Buffer.from(given, this.#source.readableEncoding ?? 'utf8') : given
    if (!(chunk instanceof Uint8Array)) return this.#fail(new TypeError("a hook's stream has given something that is neither text nor bytes"))
    this.size += chunk.length
    if (this.size > this.#limit) return this.#fail(new BodyTooLargeError())
    if (this.#sink!.onChunk(chunk)) return
    this.#waitsForTarget = true
    this.#source.pause()
  }

  readonly #onEnd = (): void => {
    this.stop()
    this.#sink!.onEnd()
  }

  readonly #onError = (error: Error): void => { this.#fail(error) }

  readonly #onClose = (): void => {
    if (this.#source instanceof IncomingMessage ? !this.#source.complete : !this.#source.readableEnded) this.#fail(new Error('the client broke off its body'))
  }
}
