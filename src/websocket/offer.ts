import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TargetAnswerInvalidError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import type { HeaderList } from '../upstreams/headers.js'
import { answerFault, type Offer } from './handshake.js'

/** What a target made of a handshake. */
export type OfferResult =
  | { accepted: true, socket: Duplex, head: Buffer, message: string, headers: HeaderList }
  /** Any other answer, its body still to be read: it goes to the client as it is. */
  | { accepted: false, response: IncomingMessage }

export interface OfferOptions {
  path: string
  headers: HeaderList
  offer: Offer
  /** Milliseconds until the head of the answer must be there. */
  timeout: number
  /** Gives the handshake up. */
  signal: AbortSignal
}

/**
 * Makes the client's handshake to a target, on a connection of its own. A 101 is accepted only when all of
 * it is right; the connection of any other is destroyed.
 *
 * @throws {TargetUnreachableError} when the connection breaks before an answer.
 * @throws {TargetTimeoutError} when there is no answer in time.
 * @throws {TargetAnswerInvalidError} for garbage, or a 101 that does not answer this offer.
 */
export function makeOffer (connection: Socket, { path, headers, offer, timeout, signal }: OfferOptions): Promise<OfferResult> {
  return new Promise((resolve, reject) => {
    const request = requestOn(connection, path, headers)
    const timer = setTimeout(() => fail(new TargetTimeoutError({ cause: new Error(`no answer within ${timeout} ms`) })), timeout)
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
    }
    const fail = (error: Error) => {
      settle()
      request.destroy()
      connection.destroy()
      reject(error)
    }
    const aborted = () => fail(new TargetUnreachableError({ cause: new Error('given up') }))
    const invalid = (fault: string) => fail(new TargetAnswerInvalidError({ cause: new Error(fault) }))

    request.on('upgrade', (response, socket, head) => {
      // From here to the relay a reset must not be an uncaught error.
      socket.on('error', () => {})
      const fault = answerFault(offer, response.rawHeaders)
      if (fault !== undefined) return invalid(fault)
      settle()
      resolve({ accepted: true, socket, head, message: response.statusMessage!, headers: response.rawHeaders })
    })
    request.on('response', response => {
      // Node takes a 101 without both upgrade headers for an ordinary answer.
      if (response.statusCode === 101) return invalid('a 101 without upgrade headers')
      settle()
      resolve({ accepted: false, response })
    })
    request.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code?.startsWith('HPE_') === true) fail(new TargetAnswerInvalidError({ cause }))
      else fail(new TargetUnreachableError({ cause }))
    })
    signal.addEventListener('abort', aborted, { once: true })
    if (signal.aborted) aborted()
    else request.end()
  })
}

/** @throws for a header or a path that must not be sent; the connection is destroyed. */
function requestOn (connection: Socket, path: string, headers: HeaderList): ClientRequest {
  try {
    return httpRequest({
      method: 'GET',
      path,
      // Alternating names and values keep the client's order, case and repetitions.
      headers: headers as never,
      createConnection: () => connection,
      // Our own answer to what a lenient parser would let through is 502.
      insecureHTTPParser: false
    })
  } catch (error) {
    connection.destroy()
    throw error
  }
}
