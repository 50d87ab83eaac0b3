import { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { BodyConsumedError, BodyTimeoutError, TargetTimeoutError } from '../errors.js'
import type { HeaderList } from '../upstreams/headers.js'

/** The bodies of requests whose preParsing hooks have run, as these have left them. */
export const bodies = new WeakMap<FastifyRequest, Readable>()

/**
 * The body of a request, to be sent on, and the headers that go with it.
 *
 * @param headers Those of the request to the target.
 * @param timeout Milliseconds that it may stand still.
 * @throws {BodyConsumedError} when somebody has read it already.
 */
export function requestBody (request: FastifyRequest, headers: HeaderList, timeout: number): { body: RequestBody, headers: HeaderList } {
  const source = bodies.get(request)
  const taken = source === undefined || source.readableDidRead || source.readableFlowing === true || source.readableEnded
  if (taken || (request.body !== undefined && request.body !== null)) {
    throw new BodyConsumedError({ cause: new Error(`a hook of route '${request.routeOptions.url}' has read the body; a preParsing hook may replace it, and must not ask for request.method`) })
  }
  return { body: new RequestBody(source, timeout), headers: source === request.raw ? headers : headers.filter((_item, index) => isKept(headers[index - index % 2]!, source)) }
}

/**
 * Whether a header of the body holds for what a hook has made of it. A length does not; an encoding does not
 * once the hook has decoded it, which Fastify has it tell by this property of the stream.
 */
function isKept (name: string, source: Readable): boolean {
  const lower = name.toLowerCase()
  return lower !== 'content-length' && (lower !== 'content-encoding' || !('receivedEncodedLength' in source))
}

/**
 * A client's body on its way to a target, with backpressure and a limit on standstill.
 *
 * undici destroys a body whose request fails; the client's own stream must live on, to carry the answer.
 */
export class RequestBody extends Readable {
  readonly #source: Readable
  readonly #timer: NodeJS.Timeout
  #waitsForTarget = false

  /** @param timeout Milliseconds that the body may stand still. */
  constructor (source: Readable, timeout: number) {
    super()
    this.#source = source
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
