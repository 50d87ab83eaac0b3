import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { inContext } from '../net/async-context.js'
import { BodyTimeoutError, HttpVersionError, RequestInvalidError, TargetBusyError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import type { ResponseHead } from '../message/response.js'
import { forwardingOf, type ForwardingPolicy } from '../message/forwarding.js'
import { headerIndex, headerValues, requestHeaders, responseHeaders, trailerHeaders, withoutHeaders, type HeaderList } from '../message/headers.js'
import { hookHeaders } from '../message/hook-headers.js'
import type { ResponseListener, TargetExchange, TargetRequest } from '../upstreams/http1/target-exchange.js'
import type { Rewriting } from '../message/rewriting.js'
import type { Target } from '../upstreams/target.js'
import type { Upstream } from '../upstreams/upstream.js'
import type { ResponseWriter } from './response-writer.js'
import { DirectResponse, mayRespondDirectly } from './direct-response.js'
import { claimExpectation, type Expectation } from '../listener/expectation.js'
import { writeEarlyHints } from './early-hints.js'
import { failProbe } from './vite-probe.js'
import { isInTurn, whenInTurn } from '../listener/queued-responses.js'
import { bodies, headersOfBody, requestBody, type RequestBody } from './request-body.js'
import { limitStandstill } from './stalled-reader.js'
import { StreamedResponse } from './streamed-response.js'

/** What a route does with its requests and their responses. */
export interface ProxiedRoute {
  rewriting: Rewriting
  forwarding: ForwardingPolicy
  /** Bytes that the body of a request may have. */
  bodyLimit: number
}

/**
 * Serves a plain request from an upstream. Errors go to the error handler of the route.
 *
 * @throws {HttpVersionError | RequestInvalidError | PathInvalidError | BodyConsumedError | BodyTooLargeError} before anything is sent.
 */
export function proxyRequest (request: FastifyRequest, reply: FastifyReply, upstream: Upstream, route: ProxiedRoute): void {
  // A timeout of Fastify's has answered while the upstream was being chosen.
  if (reply.sent) return
  const { rawHeaders, httpVersionMajor } = request.raw
  // Its pseudo-headers are no headers, and its bodies are announced by none.
  if (httpVersionMajor !== 1) throw new HttpVersionError()
  // RFC 9112 §3.2; Node lets it pass. The router has taken the first, a target might take the last.
  const host = headerIndex(rawHeaders, 'host')
  if (host !== -1 && headerIndex(rawHeaders, 'host', host + 2) !== -1) throw new RequestInvalidError('Host is there more than once')
  new Proxying(request, reply, upstream, route).start()
}

/** Seconds after which a client that found its upstream busy may come back. */
const RETRY_AFTER = '1'

/** RFC 8297. */
const EARLY_HINTS = 103

/** RFC 9110 §9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY', 'PROPFIND', 'SEARCH'])

/** Where a client has announced them; what comes unannounced is dropped (RFC 9110 §6.5.1). */
function trailersOf (request: IncomingMessage): TargetRequest['trailers'] {
  const { headers, rawHeaders } = request
  if (headers.trailer === undefined || headers['transfer-encoding'] === undefined) return undefined
  // As they came: a hook may have left anything in the others.
  const names = headerValues(rawHeaders, 'trailer').join(', ')
  return names === '' ? undefined : { names, read: () => trailerHeaders(request.rawTrailers) }
}

/** One request through the gateway. */
class Proxying implements ResponseListener {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #upstream: Upstream
  readonly #route: ProxiedRoute
  #path = ''
  #headers: HeaderList = []
  #body: RequestBody | undefined
  #expectation: Expectation | undefined
  #target: Target | undefined
  /** Targets that could not be reached, or broke off before they responded. */
  #failed: Set<Target> | undefined
  /** How often the request has been sent again. */
  #resent = 0
  #exchange: TargetExchange | undefined
  #answer: ResponseWriter | undefined
  /** A response of our own is on its way in place of the target's. */
  #refused = false
  #watchesReader = false

  constructor (request: FastifyRequest, reply: FastifyReply, upstream: Upstream, route: ProxiedRoute) {
    this.#request = request
    this.#reply = reply
    this.#upstream = upstream
    this.#route = route
  }

  start (): void {
    const request = this.#request
    this.#path = this.#route.rewriting.path(request)
    if (bodies.has(request)) {
      this.#expectation = claimExpectation(request.raw)
      const limits = { timeout: this.#upstream.bodyTimeout, size: this.#route.bodyLimit }
      this.#body = requestBody(request, this.#reply, limits, () => { if (this.#exchange?.sent === false) this.#exchange.cancel() })
    }
    const { raw } = this.#reply
    if (!isInTurn(raw)) {
      // What closes a response runs in no context of its request. An exchange sees to that itself.
      raw.once('close', inContext(() => this.#onClose()))
      return whenInTurn(raw, () => this.#onTurn())
    }
    try {
      this.#forward(this.#select()!)
    } catch (error) {
      // Nobody else has it in hand yet.
      this.#body?.stop()
      raw.once('close', inContext(() => this.#onClose()))
      throw error
    }
    // Also when all went well; then there is nothing left to cancel.
    raw.once('close', () => this.#onClose())
  }

  /**
   * The requests of a connection go out one after another: one client with many of them takes no more of a target
   * than any other.
   */
  #onTurn (): void {
    // The client has left, or a timeout of Fastify's has answered meanwhile.
    if (this.#reply.sent || this.#reply.raw.destroyed) this.#body?.stop()
    else this.#tryToForward(this.#select()!)
  }

  #onClose (): void {
    if (this.#exchange !== undefined) return this.#exchange.cancel()
    this.#body?.stop()
    // Its turn has not come.
    if (!this.#reply.sent) this.#request.log.info('the client has left before its response')
  }

  #select (): Target | undefined {
    return this.#upstream.select(this.#failed, this.#request.raw.socket)
  }

  /** @throws What a function of the route throws, or why there is no body. */
  #forward (target: Target): void {
    const { method, raw } = this.#request
    if (this.#body?.failure !== undefined) throw this.#body.failure
    this.#target = target
    this.#headers = this.#headersFor(target)
    this.#exchange = target.send({
      method,
      path: this.#path,
      headers: this.#headers,
      body: this.#body ?? null,
      anew: this.#resent > 0,
      client: raw.socket,
      onContinue: this.#expectation === undefined ? undefined : () => this.#expectation!.meet(),
      trailers: trailersOf(raw)
    }, this)
    if (raw.socket.destroyed) this.#exchange.cancel()
  }

  /** As `#forward()`, where nobody below would catch what it throws. */
  #tryToForward (target: Target): void {
    try {
      this.#forward(target)
    } catch (error) {
      this.#body?.stop()
      this.#reply.send(error)
    }
  }

  onInterim ({ status, headers }: ResponseHead): void {
    const { raw } = this.#request
    if (status === EARLY_HINTS && raw.httpVersion === '1.1') writeEarlyHints(this.#reply.raw, responseHeaders(headers))
  }

  onHead (head: ResponseHead): void {
    if (this.#reply.sent) {
      // A timeout of Fastify's has answered already.
      this.#exchange!.cancel()
      return
    }
    try {
      this.#begin(head)
    } catch (error) {
      // Nothing of it has been sent. Another response would be no better, so no target is asked again.
      this.#refused = true
      this.#exchange!.cancel()
      this.#reply.send(error)
    }
  }

  /** @throws {TargetResponseInvalidError} for a head that cannot be sent, and whatever a function of the route throws. */
  #begin (head: ResponseHead): void {
    const { status, message } = head
    const { rewriting, forwarding } = this.#route
    const received = responseHeaders(head.headers, forwarding.via)
    const question = { address: this.#target!.address, headers: this.#headers }
    // RFC 9110 §8.6.
    const headers = rewriting.responseHeaders(status === 204 ? withoutHeaders(received, ['content-length']) : received, this.#request, question)
    const Writer = mayRespondDirectly(this.#request) ? DirectResponse : StreamedResponse
    this.#answer = new Writer(this.#reply, { status, message, headers }, this.#exchange!)
  }

  onChunk (chunk: Buffer): boolean {
    const more = this.#answer!.onChunk(chunk)
    if (!more) this.#watchReader()
    return more
  }

  onEnd (trailers: HeaderList): void {
    this.#answer!.onEnd(trailerHeaders(trailers))
    if (this.#waitsForReader()) this.#watchReader()
  }

  onError (given: Error): void {
    const error = this.#errorOf(given)
    if (this.#answer !== undefined) {
      if (this.#reply.raw.destroyed) this.#request.log.info('the client has left in the middle of its response')
      else this.#request.log.warn({ err: error }, 'the response of the upstream broke off')
      this.#answer.onError(error)
      // What came before goes to the client first.
      if (this.#waitsForReader()) this.#watchReader()
      return
    }
    if (this.#refused || this.#reply.sent) {
      // The client has a response; a timeout of Fastify's may have given it.
    } else if (this.#reply.raw.destroyed || this.#request.raw.socket.destroyed) {
      this.#request.log.info('the client has left before its response')
    } else {
      const target = this.#another(error)
      if (target !== undefined) return this.#tryToForward(target)
      if (error instanceof TargetBusyError) this.#reply.header('retry-after', RETRY_AFTER)
      if (!(error instanceof TargetUnreachableError) || !failProbe(this.#request, this.#reply)) this.#reply.send(error)
    }
    this.#body?.stop()
  }

  #errorOf (given: Error): Error {
    // Where nothing has been sent, the body failed on its own.
    const error = this.#exchange!.sent ? given : this.#body?.failure ?? given
    // A client that waits to be asked for its body is not the one that is late.
    return error instanceof BodyTimeoutError && this.#expectation?.met === false ? new TargetTimeoutError({ cause: error }) : error
  }

  /**
   * The target to try after one has failed. Where nothing has been sent to it, that is any other. Where it has been,
   * the request must have no body and do no more when it is sent twice (RFC 9110 §9.2.2). A response is never asked
   * for again.
   */
  #another (error: Error): Target | undefined {
    const { sent, queued } = this.#exchange!
    if (!sent) {
      if (this.#body?.failure !== undefined) return undefined
      // Who has waited its time in one queue does not wait in the next.
      if (!(error instanceof TargetUnreachableError) && !(error instanceof TargetBusyError && !queued)) return undefined
    } else {
      if (!(error instanceof TargetUnreachableError) || this.#body !== undefined || !IDEMPOTENT.has(this.#request.method)) return undefined
      if (this.#resent >= this.#upstream.retries) return undefined
      this.#resent++
      // A kept-alive connection may have been closed just as it was used; a new one to the only target may do.
      if (this.#upstream.targets.length === 1 && this.#resent === 1) return this.#target
    }
    this.#failed ??= new Set()
    this.#failed.add(this.#target!)
    return this.#select()
  }

  #headersFor ({ address }: Target): HeaderList {
    const request = this.#request
    const { rewriting, forwarding } = this.#route
    const headers = rewriting.requestHeaders(requestHeaders(hookHeaders(request), forwardingOf(request, forwarding), address.host), request)
    return this.#body === undefined ? headers : headersOfBody(request, headers)
  }

  #watchReader (): void {
    if (this.#watchesReader) return
    this.#watchesReader = true
    limitStandstill(this.#reply.raw, this.#upstream.bodyTimeout, () => this.#waitsForReader())
  }

  #waitsForReader (): boolean {
    return this.#answer!.blocked || this.#reply.raw.writableLength > 0
  }
}
