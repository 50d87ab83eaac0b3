import type { ServerResponse } from 'node:http'
import { DrainingError } from '../errors.js'
import { errorBody, errorHeaders } from './error-response.js'

/** Seconds after which a client that found no place may come back. */
export const RETRY_AFTER = '1'

/** Refuses a handshake while the app closes. */
export function refuseDraining (response: ServerResponse): void {
  const error = new DrainingError()
  const body = errorBody(error)
  response.writeHead(error.statusCode!, { ...errorHeaders(body), 'Retry-After': RETRY_AFTER, Connection: 'close' }).end(body)
}
