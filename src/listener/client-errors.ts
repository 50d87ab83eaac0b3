import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyError } from 'fastify'
import { HeadersTooLargeError, RequestInvalidError, RequestTimeoutError } from '../errors.js'
import { errorBody, errorHeaders } from './error-response.js'
import { linger } from './linger.js'

/** The error that Fastify's `clientErrorHandler` sends to a client; undefined where no client waits, or none can be reached. */
export function errorForClient ({ code }: NodeJS.ErrnoException, socket: Duplex, maxHeaderSize: number): FastifyError | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    // Browsers open connections in advance. Without a request there is nothing to respond to.
    return 'bytesRead' in socket && socket.bytesRead === 0 ? undefined : new RequestTimeoutError()
  }
  if (code === 'HPE_HEADER_OVERFLOW') return new HeadersTooLargeError(`more than ${maxHeaderSize} bytes`)
  // What is left are errors of TCP and TLS.
  return code?.startsWith('HPE_') === true ? new RequestInvalidError('it is not HTTP/1.1') : undefined
}

/**
 * Ends a connection with an error as its last response. There is no reply to send, so it is written to the
 * connection, in the form of every other error. Whose turn it is, the caller has made sure.
 */
export function endWithError (socket: Duplex, { code, statusCode, message }: FastifyError, log: FastifyBaseLogger): void {
  const status = statusCode!
  log.info({ code, statusCode: status, remoteAddress: 'remoteAddress' in socket ? socket.remoteAddress : undefined }, 'connection of a client ended')
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = errorBody({ statusCode: status, code, message })
  const headers = Object.entries({ Date: new Date().toUTCString(), Connection: 'close', ...errorHeaders(body) })
  const response = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...headers.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n')
  // The parser takes in nothing any more.
  if (status !== 408) return linger(socket, response)
  // The client was slow, and what it may still send must not become the request after all.
  socket.end(response)
  socket.once('finish', () => socket.destroy())
}
