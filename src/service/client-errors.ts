import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyError } from 'fastify'
import { HeadersTooLargeError, RequestInvalidError, RequestTimeoutError } from '../errors.js'

/** Milliseconds that a client has for reading the answer to what could not be read; then its connection is destroyed. */
const LINGER = 1000

/**
 * Answers for what never becomes a request, and for requests that do not come to their end. There is no reply
 * to send, so the answer is written to the connection: in the form of every other error, as the last thing on
 * it, and never into another answer.
 */
export class ClientErrors {
  readonly #maxHeaderSize: number
  /** The newest response of a connection. The earlier ones are done, or stand before it. */
  readonly #responses = new WeakMap<Duplex, ServerResponse>()
  readonly #refused = new WeakSet<Duplex>()

  constructor (maxHeaderSize: number) {
    this.#maxHeaderSize = maxHeaderSize
  }

  /** To be told of every request. False when its connection has been answered for good: nobody would see its answer. */
  admits (socket: Duplex, response: ServerResponse): boolean {
    this.#responses.set(socket, response)
    return !this.#refused.has(socket)
  }

  /** Fastify's `clientErrorHandler`. */
  handle (error: NodeJS.ErrnoException, socket: Duplex, log: FastifyBaseLogger): void {
    // After its first error a parser reports every further read.
    if (this.#refused.has(socket)) return
    const answer = this.#answerTo(error, socket)
    if (answer !== undefined) return this.refuse(socket, answer, log)
    log.trace({ err: error }, 'connection of a client lost')
    socket.destroy()
  }

  /** Ends a connection, with an error as its last answer where there is room for one. */
  refuse (socket: Duplex, error: FastifyError, log: FastifyBaseLogger): void {
    this.#refused.add(socket)
    log.info({ code: error.code, statusCode: error.statusCode, remoteAddress: 'remoteAddress' in socket ? socket.remoteAddress : undefined }, 'connection of a client ended')
    const response = this.#responses.get(socket)
    const open = response !== undefined && !response.writableFinished && !response.destroyed
    if (open && response.req.complete) {
      // The error is that of a later request (RFC 9112 §9.3.2), and has to wait for its turn.
      response.once('close', () => end(socket, error))
    } else if (response !== undefined && !response.req.complete && (response.headersSent || response.socket === null)) {
      // The answer has begun, or an earlier one stands before it: another would be taken for a part of it.
      socket.destroy()
    } else {
      end(socket, error)
    }
  }

  #answerTo ({ code }: NodeJS.ErrnoException, socket: Duplex): FastifyError | undefined {
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      // A browser opens connections that it may need. To one without a request there is nothing to answer.
      return 'bytesRead' in socket && socket.bytesRead === 0 ? undefined : new RequestTimeoutError()
    }
    if (code === 'HPE_HEADER_OVERFLOW') return new HeadersTooLargeError(`more than ${this.#maxHeaderSize} bytes`)
    // What is left are errors of TCP and TLS: there is nobody to tell, or no way to.
    return code?.startsWith('HPE_') === true ? new RequestInvalidError('it is not HTTP/1.1') : undefined
  }
}

function end (socket: Duplex, { code, statusCode, message }: FastifyError): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const status = statusCode!
  const body = JSON.stringify({ statusCode: status, code, error: STATUS_CODES[status], message })
  socket.end([
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Date: ${new Date().toUTCString()}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body
  ].join('\r\n'))
  if (status === 408) {
    // The client was slow, and what it may still send must not become the request after all.
    socket.once('finish', () => socket.destroy())
    return
  }
  // The parser takes in nothing any more. Were the connection closed while bytes are unread, it would be reset,
  // and the answer lost (RFC 9112 §9.6).
  const timer = setTimeout(() => socket.destroy(), LINGER)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
