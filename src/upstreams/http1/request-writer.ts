import type { Socket } from 'node:net'
import { BodyFailedError } from '../../errors.js'
import { headerPairs, headerValues } from '../../message/headers.js'
import type { BodySink } from './target-exchange.js'
import type { PendingExchange } from './pending-exchange.js'

const END_OF_LINE = '\r\n'

/**
 * Writes a request to a connection: its head, and how its body is framed.
 *
 * @param onFinish The request has been written to its end.
 */
export function writeRequest (socket: Socket, exchange: PendingExchange, onFinish: () => void): void {
  const { head, request: { headers, method, body, onContinue, trailers } } = exchange
  let own = ''
  const lengths = body !== null || EXPECT_BODY.has(method) ? headerValues(headers, 'content-length') : []
  if (body === null) {
    if (EXPECT_BODY.has(method) && lengths.length === 0) own += 'Content-Length: 0\r\n'
    socket.write(`${head}${own}\r\n`, 'latin1')
    onFinish()
    return
  }
  if (lengths.length === 0) own += 'Transfer-Encoding: chunked\r\n'
  if (onContinue !== undefined) own += 'Expect: 100-continue\r\n'
  if (trailers !== undefined) own += `Trailer: ${trailers.names}\r\n`
  // What there is of the body by now goes along.
  socket.cork()
  socket.write(`${head}${own}\r\n`, 'latin1')
  body.flow(lengths.length === 0 ? new ChunkedSink(socket, exchange, onFinish) : new SizedSink(socket, exchange, Number(lengths[0]), onFinish))
  process.nextTick(uncork, socket)
}

/** The methods whose requests have a body by their meaning; without one, they say so (RFC 9110 §8.6). */
const EXPECT_BODY = new Set(['PATCH', 'POST', 'PUT'])

function uncork (socket: Socket): void {
  socket.uncork()
}

abstract class Sink implements BodySink {
  protected readonly socket: Socket
  protected readonly exchange: PendingExchange
  readonly #onFinish: () => void

  constructor (socket: Socket, exchange: PendingExchange, onFinish: () => void) {
    this.socket = socket
    this.exchange = exchange
    this.#onFinish = onFinish
  }

  abstract onChunk (chunk: Uint8Array): boolean

  onEnd (): void {
    this.#onFinish()
  }

  onError (error: Error): void {
    this.exchange.fail('statusCode' in error ? error : new BodyFailedError({ cause: error }))
  }

  /**
   * Writes what comes in this turn of the event loop at its end. A target may have responded and closed the
   * connection: the response is to be read before a write finds out, as Node drops the connection then.
   */
  protected gather (): void {
    const { socket } = this
    if (socket.writableCorked > 0) return
    socket.cork()
    setImmediate(uncork, socket)
  }

  /** A chunk beyond the high-water mark counts as too much even where the system has taken it all by now. */
  protected get takesMore (): boolean {
    return this.socket.writableLength === 0
  }
}

/** A body whose length has been announced. */
class SizedSink extends Sink {
  #missing: number

  constructor (socket: Socket, exchange: PendingExchange, length: number, onFinish: () => void) {
    super(socket, exchange, onFinish)
    this.#missing = length
  }

  onChunk (chunk: Uint8Array): boolean {
    this.#missing -= chunk.length
    if (this.#missing < 0) {
      this.onError(new Error('the body is longer than its length'))
      return true
    }
    this.gather()
    return this.socket.write(chunk) || this.takesMore
  }

  override onEnd (): void {
    if (this.#missing > 0) this.onError(new Error('the body is shorter than its length'))
    else super.onEnd()
  }
}

/** A body in chunks (RFC 9112 §7.1), with trailers where there are any. */
class ChunkedSink extends Sink {
  onChunk (chunk: Uint8Array): boolean {
    // An empty chunk would be the last one.
    if (chunk.length === 0) return true
    const { socket } = this
    this.gather()
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    socket.write(chunk)
    return socket.write(END_OF_LINE, 'latin1') || this.takesMore
  }

  override onEnd (): void {
    const trailers = headerPairs(this.exchange.request.trailers?.read() ?? [])
    this.socket.write(`0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1')
    super.onEnd()
  }
}
