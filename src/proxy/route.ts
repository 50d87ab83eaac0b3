import type { FastifyRequest } from 'fastify'
import { forwardingOf, type ForwardingPolicy } from '../message/forwarding.js'
import { handshakeHeaders, requestHeaders, responseHeaders, withoutHeaders, type HeaderList } from '../message/headers.js'
import { hookHeaders } from '../message/hook-headers.js'
import type { Rewriting } from '../message/rewriting.js'
import type { TargetAddress } from '../net/target-address.js'
import type { Upstream } from '../upstreams/upstream.js'
import type { Exchange } from './exchange.js'
import type { Observers } from './observer.js'

/** A route, compiled from its options once. Both legs serve it. */
export interface Route {
  /** Its URL pattern. */
  url: string
  /** @throws {RequestInvalidError} for a request whose path another reader would take for one of another route. */
  check (request: FastifyRequest): void
  chooseUpstream (request: FastifyRequest): Upstream | Promise<Upstream>
  rewriting: Rewriting
  forwarding: ForwardingPolicy
  observers: Observers
}

/**
 * The headers of a request for a target: what came, as its hooks have left it, less what belongs to this hop, with the
 * forwarding headers and the route's own changes.
 *
 * @throws {RewriteInvalidError} for what hooks or functions of the route have put there.
 * @throws What a function of the route throws.
 */
export function headersToTarget ({ rewriting, forwarding }: Route, request: FastifyRequest, { host }: TargetAddress, exchange: Exchange): HeaderList {
  return rewriting.requestHeaders(propagate(exchange, requestHeaders(hookHeaders(request), forwardingOf(request, forwarding), host)), request)
}

/** The same for a handshake, less what `narrow` takes out of the client's offer. */
export function handshakeToTarget ({ rewriting, forwarding }: Route, request: FastifyRequest, { host }: TargetAddress, exchange: Exchange, narrow: (headers: HeaderList) => HeaderList): HeaderList {
  return rewriting.requestHeaders(propagate(exchange, handshakeHeaders(narrow(hookHeaders(request)), forwardingOf(request, forwarding), host)), request)
}

/**
 * What an observer has a request to a target say. The route's own changes come behind: they may take it out again.
 */
export function propagate ({ propagated }: Exchange, headers: HeaderList): HeaderList {
  return propagated === undefined ? headers : [...withoutHeaders(headers, propagated.replaces), ...propagated.headers]
}

/**
 * The headers of a target's response for the client, with the sticky cookie where the client has another one.
 *
 * @param sent The headers of the request to the target.
 * @throws What a function of the route throws.
 */
export function headersToClient ({ rewriting, forwarding }: Route, exchange: Exchange, request: FastifyRequest, received: HeaderList, { sticky }: Upstream, sent: HeaderList): HeaderList {
  const target = exchange.target!
  const headers = rewriting.responseHeaders(responseHeaders(received, forwarding.via), request, { address: target.address, headers: sent })
  if (sticky === undefined || exchange.cookieTarget === target) return headers
  const cookie = sticky.setCookie(target, request)
  return cookie === undefined ? headers : [...headers, 'Set-Cookie', cookie]
}
