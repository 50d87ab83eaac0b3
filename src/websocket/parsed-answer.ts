import { request as httpRequest, type ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TargetAnswerInvalidError, TargetUnreachableError } from '../errors.js'
import type { OfferResult } from './offer.js'
import { readRest } from '../upstreams/shared-reads.js'

/** Who hears what a target has answered. */
export interface ParsedAnswerListener {
  onAnswer (result: OfferResult): void
  onError (error: Error): void
}

/**
 * Reads a target's answer to a handshake with Node's own parser: refusals, with bodies of any framing, answers
 * behind interim ones, and whatever breaks HTTP.
 */
export class ParsedAnswer {
  readonly #answer: AnswerStream
  readonly #request: ClientRequest

  /** @param connection The target's, on which the request has been sent already. */
  constructor (connection: Socket, listener: ParsedAnswerListener) {
    const answer = new AnswerStream(connection)
    // Our own answer to what a lenient parser would let through is 502.
    const request = httpRequest({ headers: { connection: 'close' }, createConnection: () => answer, insecureHTTPParser: false })
    const invalid = (fault: string) => listener.onError(new TargetAnswerInvalidError({ cause: new Error(fault) }))
    request.on('upgrade', (response, _socket, head) => {
      const rest = readRest(answer)
      listener.onAnswer({
        accepted: true,
        socket: connection,
        head: rest === null ? head : Buffer.concat([head, rest]),
        message: response.statusMessage!,
        headers: response.rawHeaders
      })
    })
    request.on('response', response => {
      // Node takes a 101 without both upgrade headers for an ordinary answer.
      if (response.statusCode === 101) invalid('a 101 without upgrade headers')
      else listener.onAnswer({ accepted: false, response })
    })
    request.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code?.startsWith('HPE_') === true) listener.onError(new TargetAnswerInvalidError({ cause }))
      else listener.onError(new TargetUnreachableError({ cause }))
    })
    request.end()
    this.#request = request
    this.#answer = answer
  }

  /** What the target has sent next. The memory of the chunk is kept. */
  push (chunk: Buffer): void {
    this.#answer.feed(chunk)
  }

  end (): void {
    this.#answer.push(null)
  }

  destroy (error?: Error): void {
    this.#answer.destroy(error)
    this.#request.destroy()
  }
}

/** A connection as Node's HTTP client is to see it: its request is there already, and not sent again. */
class AnswerStream extends Duplex {
  readonly #connection: Socket

  constructor (connection: Socket) {
    super({ allowHalfOpen: true })
    this.#connection = connection
  }

  feed (chunk: Buffer): void {
    if (!this.push(chunk)) this.#connection.pause()
  }

  /** What a body's limits need of a socket. */
  setTimeout (milliseconds: number, listener?: () => void): this {
    this.#connection.setTimeout(milliseconds)
    if (milliseconds > 0 && listener !== undefined) this.#connection.once('timeout', listener)
    return this
  }

  /** The answer has been read to its end. */
  destroySoon (): void {
    this.destroy()
  }

  override _read (): void {
    this.#connection.resume()
  }

  override _write (_chunk: unknown, _encoding: BufferEncoding, callback: () => void): void {
    callback()
  }

  override _destroy (error: Error | null, callback: (error: Error | null) => void): void {
    this.#connection.destroy()
    callback(error)
  }
}
