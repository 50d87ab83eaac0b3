import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { hasBody } from '../message/headers.js'
import type { LastResponses } from './last-responses.js'

const expectations = new WeakMap<IncomingMessage, Expectation>()

/**
 * Lets a client that expects 100 Continue (RFC 9110 §10.1.1) wait until somebody wants its body. Node by itself
 * asks for it before anybody has looked at the request.
 *
 * @param routing Runs a request through the router and the lifecycle of the app.
 */
export function holdExpectations (server: Server, routing: (request: IncomingMessage, response: ServerResponse) => void, lastResponses: LastResponses): void {
  // The app sees to it itself.
  if (server.listenerCount('checkContinue') > 0) return
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (!lastResponses.admits(request, response)) return
    if (request.httpVersionMajor === 1 && hasBody(request.headers)) expectations.set(request, new Expectation(request, response))
    else writeContinue(response)
    routing(request, response)
  })
}

/** What is expected by a request whose body nobody has asked for yet. From now on, reading it asks for nothing. */
export function claimExpectation (request: IncomingMessage): Expectation | undefined {
  const expectation = expectations.get(request)
  return expectation?.claim() === true ? expectation : undefined
}

/**
 * A client that waits for 100 Continue. Its body is asked for when it is first read from, unless somebody claims
 * that. Where it is not, Node ends the connection behind the response: the body may still come, or not.
 */
export class Expectation {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #met = false

  constructor (request: IncomingMessage, response: ServerResponse) {
    this.#request = request
    this.#response = response
    request._read = size => {
      this.meet()
      request._read(size)
    }
  }

  /** Whether the body has been asked for. */
  get met (): boolean {
    return this.#met
  }

  /** Takes it over; false when the body has been asked for already. */
  claim (): boolean {
    if (this.#met) return false
    delete (this.#request as Partial<IncomingMessage>)._read
    return true
  }

  /** Asks for the body. */
  meet (): void {
    delete (this.#request as Partial<IncomingMessage>)._read
    if (this.#met || this.#response.headersSent) return
    this.#met = true
    writeContinue(this.#response)
  }
}

/** Node would write it between the head and the body of a response that waits for its turn. */
function writeContinue (response: ServerResponse): void {
  if (response.socket === null) response.once('socket', () => writeContinue(response))
  else if (!response.headersSent) response.writeContinue()
}
