import { STATUS_CODES, type ServerResponse } from 'node:http'
import { DrainingError } from '../errors.js'

/** Seconds after which a client that found no place may come back. */
export const RETRY_AFTER = '1'

/**
 * Responses a handshake while the app closes. Its router takes nothing any more, so this is what the app's
 * error handler would have made of a DrainingError.
 */
export function refuseDraining (response: ServerResponse): void {
  const { statusCode = 503, code, message } = new DrainingError()
  const body = JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message })
  response.writeHead(statusCode, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Retry-After': RETRY_AFTER,
    Connection: 'close'
  })
  response.end(body)
}
