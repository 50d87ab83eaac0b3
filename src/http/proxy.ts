import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BodyTimeoutError, ClientLeftError, DrainingError, HttpVersionError, isTemporary, RequestInvalidError, sourceOf, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import { wasCut } from '../listener/cut-connections.js'
import { RETRY_AFTER } from '../listener/draining.js'
import { claimExpectation, type Expectation } from '../listener/expectation.js'
import { isInTurn, whenInTurn } from '../listener/response-order.js'
import { headerIndex, headerValues, responseHeaders, trailerHeaders, withoutHeaders, type HeaderList } from '../message/headers.js'
import type { ResponseHead } from '../message/response.js'
import { inContext } from '../net/async-context.js'
import { pathAt } from '../net/target-address.js'
import { Attempts, firstTarget, type FailedAttempt } from '../proxy/attempts.js'
import { Exchange } from '../proxy/exchange.js'
import { headersToClient, headersToTarget, type Route } from '../proxy/route.js'
import type { ResponseListener, TargetExchange, TargetRequest } from '../upstreams/http1/target-exchange.js'
import type { Target } from '../upstreams/target.js'
import type { Upstream } from '../upstreams/upstream.js'
import { DirectResponse, mayRespondDirectly } from './direct-response.js'
import { writeEarlyHints } from './early-hints.js'
import { bodies, headersOfBody, requestBody, type RequestBody } from './request-body.js'
import type { ResponseWriter } from './response-writer.js'
import { limitStandstill } from './stalled-reader.js'
import { StreamedResponse } from './streamed-response.js'
import { failProbe } from './vite-probe.js'

/** A route as the HTTP leg sees it. */
export interface ProxiedRoute extends Route {
  /** Bytes that the body of a request may have. */
  bodyLimit: number
}

/**
 * Serves a plain request from the upstream of its route. Errors go to the error handler of the route.
 *
 * @throws {HttpVersionError | RequestInvalidError | PathInvalidError | BodyConsumedError | BodyTooLargeError} before anything is sent.
 */
export function proxyRequest (request: FastifyRequest, reply: FastifyReply, route: ProxiedRoute): void {
  new ProxiedRequest(request, reply, route).start()
}

/** Why a request is given up whose client has a response already, of other code of the app. It is sent to no client. */
const REPLACED = new ClientLeftError()

/** RFC 8297. */
const EARLY_HINTS = 103

/** RFC 9110 §9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY', 'PROPFIND', 'SEARCH'])

/** @throws {HttpVersionError | RequestInvalidError} for a request that cannot be passed on. */
function checkRequest ({ httpVersionMajor, rawHeaders }: IncomingMessage): void {
  // Its pseudo-headers are no headers, and its bodies are announced by none.
  if (httpVersionMajor !== 1) throw new HttpVersionError()
  // RFC 9112 §3.2; Node lets it pass. The router has taken the first, a target might take the last.
  const host = headerIndex(rawHeaders, 'host')
  if (host !== -1 && headerIndex(rawHeaders, 'host', host + 2) !== -1) throw new RequestInvalidError('Host is there more than once')
}

/** Where a client has announced them; what comes unannounced is dropped (RFC 9110 §6.5.1). */
function trailersOf (request: IncomingMessage): TargetRequest['trailers'] {
  const { headers, rawHeaders } = request
  if (headers.trailer === undefined || headers['transfer-encoding'] === undefined) return undefined
  // As they came: a hook may have left anything in the others.
  const names = headerValues(rawHeaders, 'trailer').join(', ')
  return names === '' ? undefined : { names, read: () => trailerHeaders(request.rawTrailers) }
}

/** One request through the gateway: it is sent to a target, and hears its response. */
class ProxiedRequest implements ResponseListener {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #route: ProxiedRoute
  readonly #exchange: Exchange
  #upstream!: Upstream
  #headers: HeaderList = []
  #body: RequestBody | undefined
  #expectation: Expectation | undefined
  #attempts: Attempts | undefined
  /** The request as it was last sent to a target. */
  #sent: TargetExchange | undefined
  #writer: ResponseWriter | undefined
  /** What ended it early. */
  #error: Error | undefined
  /** The response of the target has come to its end. */
  #complete = false
  #watchesReader = false

  constructor (request: FastifyRequest, reply: FastifyReply, route: ProxiedRoute) {
    this.#request = request
    this.#reply = reply
    this.#route = route
    this.#exchange = new Exchange('request', route.url, request, route.observers)
  }

  /** @throws Before anything is sent. */
  start (): void {
    // While a hook was waiting. The response may have closed already, or never will: Node closes only the one in turn.
    if (this.#isGone) return this.#leave()
    try {
      checkRequest(this.#request.raw)
      this.#route.check(this.#request)
      const upstream = this.#route.chooseUpstream(this.#request)
      if (upstream instanceof Promise) upstream.then(chosen => this.#startLate(chosen), error => this.#fail(error))
      else this.#begin(upstream)
    } catch (error) {
      this.#abandon(error as Error)
      this.#watchClose()
      throw error
    }
    this.#watchClose()
  }

  /** What closes a response runs in no context of its request; a request that is sent sees to that itself. */
  #watchClose (): void {
    this.#reply.raw.once('close', this.#sent === undefined ? inContext(() => this.#onClose()) : () => this.#onClose())
  }

  /** As `#begin()`, where nobody below would catch what it throws. */
  #startLate (upstream: Upstream): void {
    // The client has left, or a timeout of Fastify's has responded, while the upstream was being chosen.
    if (this.#isGone) return this.#leave()
    if (this.#reply.sent) return
    try {
      this.#begin(upstream)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #begin (upstream: Upstream): void {
    const request = this.#request
    this.#upstream = upstream
    this.#exchange.path = this.#route.rewriting.path(request)
    if (bodies.has(request)) {
      this.#expectation = claimExpectation(request.raw)
      const limits = { timeout: upstream.bodyTimeout, size: this.#route.bodyLimit }
      this.#body = requestBody(request, this.#reply, limits, error => { if (this.#sent?.sent === false) this.#sent.cancel(error) })
    }
    const { raw } = this.#reply
    if (isInTurn(raw)) this.#forwardTo(firstTarget(this.#exchange, upstream, request.raw.socket))
    else whenInTurn(raw, () => this.#onTurn())
  }

  /**
   * The requests of a connection go out one after another: one client with many of them takes no more of a target
   * than any other.
   */
  #onTurn (): void {
    // The client has left, or a timeout of Fastify's has responded meanwhile.
    if (this.#isGone) return this.#leave()
    if (this.#reply.sent) {
      this.#body?.stop()
      return
    }
    try {
      this.#forwardTo(firstTarget(this.#exchange, this.#upstream, this.#request.raw.socket))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** @throws As `#forward()` does. */
  #forwardTo (target: Target | Promise<Target>): void {
    if (target instanceof Promise) target.then(found => this.#forwardLate(found), error => this.#fail(error))
    else this.#forward(target)
  }

  /** Behind the wait for a place. */
  #forwardLate (target: Target): void {
    // The client has left, or a timeout of Fastify's has responded meanwhile.
    if (this.#hasResponse) {
      this.#body?.stop()
      return
    }
    try {
      this.#forward(target)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** @throws What a function of the route throws, or why there is no body. */
  #forward (target: Target): void {
    const { method, raw } = this.#request
    if (this.#body?.failure !== undefined) throw this.#body.failure
    const headers = headersToTarget(this.#route, this.#request, target.address, this.#exchange)
    this.#headers = this.#body === undefined ? headers : headersOfBody(this.#request, headers)
    this.#sent = target.send({
      method,
      path: pathAt(target.address, this.#exchange.path),
      headers: this.#headers,
      body: this.#body ?? null,
      anew: this.#attempts?.anew === true,
      client: raw.socket,
      onContinue: this.#expectation === undefined ? undefined : () => this.#expectation!.meet(),
      trailers: trailersOf(raw)
    }, this)
    if (raw.socket.destroyed) this.#sent.cancel(new ClientLeftError())
    if (this.#upstream.attemptTimeout !== undefined) {
      const sent = this.#sent
      this.#nextAttempts().limit(() => this.#attemptSoFar(), error => sent.cancel(error))
    }
  }

  onInterim ({ status, headers }: ResponseHead): void {
    const { raw } = this.#request
    if (status === EARLY_HINTS && raw.httpVersion === '1.1') writeEarlyHints(this.#reply.raw, responseHeaders(headers))
  }

  onHead (head: ResponseHead): void {
    this.#exchange.firstByteAt = performance.now()
    this.#attempts?.unlimit()
    this.#upstream.succeed(this.#exchange.target!, head.status)
    if (this.#reply.sent) {
      // A timeout of Fastify's has responded already.
      this.#sent!.cancel(REPLACED)
      return
    }
    try {
      this.#respond(head)
    } catch (error) {
      // Nothing of it has been sent. Another response would be no better, so no target is asked again.
      this.#error = error as Error
      this.#sent!.cancel(this.#error)
      this.#reply.send(error)
    }
  }

  /** @throws {TargetResponseInvalidError} for a head that cannot be sent, and whatever a function of the route throws. */
  #respond ({ status, message, headers: received }: ResponseHead): void {
    // RFC 9110 §8.6.
    const given = status === 204 ? withoutHeaders(received, ['content-length']) : received
    const headers = headersToClient(this.#route, this.#exchange, this.#request, given, this.#upstream, this.#headers)
    this.#exchange.responseHeaders = headers
    const Writer = mayRespondDirectly(this.#request) ? DirectResponse : StreamedResponse
    this.#writer = new Writer(this.#reply, { status, message, headers }, this.#sent!)
  }

  onChunk (chunk: Buffer): boolean {
    this.#exchange.fromTarget += chunk.length
    const more = this.#writer!.onChunk(chunk)
    if (!more) this.#watchReader()
    return more
  }

  onEnd (trailers: HeaderList): void {
    this.#complete = true
    this.#writer!.onEnd(trailerHeaders(trailers))
    if (this.#waitsForReader()) this.#watchReader()
  }

  onError (given: Error): void {
    if (this.#error !== undefined) return
    const error = this.#errorOf(given)
    if (this.#writer !== undefined) {
      this.#error = error
      this.#writer.onError(error)
      // What came before goes to the client first.
      if (this.#waitsForReader()) this.#watchReader()
    } else if (!this.#hasResponse && !this.#tryAgain(error)) {
      if (error instanceof TargetUnreachableError && failProbe(this.#request, this.#reply)) this.#abandon(error)
      else this.#fail(error)
    }
  }

  /** The client has a response, no matter whose, or is gone. */
  get #hasResponse (): boolean {
    return this.#reply.sent || this.#reply.raw.destroyed || this.#request.raw.socket.destroyed
  }

  #errorOf (given: Error): Error {
    // Where nothing has been sent, the body failed on its own.
    const error = this.#sent!.sent ? given : this.#body?.failure ?? given
    // A client that waits to be asked for its body is not the one that is late.
    return error instanceof BodyTimeoutError && this.#expectation?.met === false ? new TargetTimeoutError({ cause: error }) : error
  }

  /** @returns Whether another attempt has begun, or has failed for good in its turn. */
  #tryAgain (error: Error): boolean {
    try {
      const target = this.#nextAttempts().next(error, this.#attemptSoFar())
      if (target === undefined) return false
      this.#forwardTo(target)
    } catch (error) {
      this.#fail(error as Error)
    }
    return true
  }

  #nextAttempts (): Attempts {
    this.#attempts ??= new Attempts(this.#exchange, this.#upstream, this.#request.raw.socket)
    return this.#attempts
  }

  #attemptSoFar (): FailedAttempt {
    const { sent, reused, queued } = this.#sent!
    return {
      sent,
      kept: true,
      reused,
      queued,
      repeatable: this.#body === undefined && IDEMPOTENT.has(this.#request.method),
      sendable: this.#body?.failure === undefined && !this.#hasResponse
    }
  }

  get #isGone (): boolean {
    return this.#reply.raw.destroyed || this.#request.raw.socket.destroyed
  }

  /** There is nobody to respond to, and nothing was sent to a target. */
  #leave (): void {
    this.#abandon(new ClientLeftError())
    this.#endWithoutClient(undefined)
  }

  /** The client has left, or was cut off as the gateway stops. */
  #endWithoutClient (status: number | undefined): void {
    if (wasCut(this.#request.raw.socket)) this.#exchange.end('gateway', 'drain', status, new DrainingError())
    else this.#exchange.end('client', 'left', status, new ClientLeftError())
  }

  /** Responds with an error. */
  #fail (error: Error): void {
    if (this.#sent === undefined && this.#isGone) return this.#leave()
    this.#abandon(error)
    if (!this.#hasResponse) this.#reply.send(error)
  }

  /** It goes no further. */
  #abandon (error: Error): void {
    this.#error ??= error
    if (isTemporary(error)) this.#reply.header('retry-after', RETRY_AFTER)
    this.#body?.stop()
  }

  /** The response is done, or nobody waits for it any more. */
  #onClose (): void {
    const sent = this.#sent
    if (sent === undefined) {
      this.#body?.stop()
      this.#end()
    } else if (sent.over) {
      // The log line belongs to the request.
      if (this.#route.observers.active) sent.runInAsyncScope(this.#end, this)
      else this.#end()
    } else {
      sent.cancel(this.#reply.raw.writableFinished ? REPLACED : new ClientLeftError())
      sent.runInAsyncScope(this.#end, this)
    }
  }

  #end (): void {
    const exchange = this.#exchange
    const { raw } = this.#reply
    this.#attempts?.unlimit()
    const status = raw.headersSent ? raw.statusCode : undefined
    if (this.#sent !== undefined) {
      exchange.connectedAt = this.#sent.connectedAt
      exchange.sentAt = this.#sent.sentAt
    }
    if (this.#body !== undefined) exchange.fromClient = this.#body.size
    if (!raw.writableFinished && !this.#isBroken) this.#endWithoutClient(status)
    else if (this.#error !== undefined) exchange.end(sourceOf(this.#error), this.#writer === undefined ? 'error' : this.#error instanceof DrainingError ? 'drain' : 'broken-off', status, this.#error)
    else if (this.#complete) exchange.end('target', 'complete', status)
    else exchange.end('gateway', 'replaced', status)
  }

  /** The response was broken off by the target, or by the gateway. */
  get #isBroken (): boolean {
    return this.#error !== undefined && sourceOf(this.#error) !== 'client'
  }

  #watchReader (): void {
    if (this.#watchesReader) return
    this.#watchesReader = true
    limitStandstill(this.#reply.raw, this.#upstream.bodyTimeout, () => this.#waitsForReader())
  }

  #waitsForReader (): boolean {
    return this.#writer!.blocked || this.#reply.raw.writableLength > 0
  }
}
