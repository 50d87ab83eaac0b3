import type { FastifyRequest } from 'fastify'
import { withDefaults, type WithDefaults } from '../options/defaults.js'
import { WebSocketOptions } from '../options/index.js'
import type { Policy } from '../proxy/policy.js'
import type { Route } from '../proxy/route.js'
import type { Upstream } from '../upstreams/upstream.js'

const DEFAULTED = ['handshakeTimeout', 'pingInterval', 'pongTimeout', 'stallTimeout', 'closeTimeout', 'idleCode', 'lifetimeCode', 'onRemoved', 'onUnhealthy', 'strict'] as const

/** The options of a route's sessions, with their defaults. */
export type SessionOptions = WithDefaults<WebSocketOptions, typeof DEFAULTED[number]>

export function sessionOptions (options: WebSocketOptions): SessionOptions {
  return withDefaults(WebSocketOptions, options, DEFAULTED)
}

/** A route as the WebSocket leg sees it. */
export interface PassthroughRoute extends Route {
  /** The upstream that a handshake goes to. */
  chooseHandshakeUpstream (request: FastifyRequest): Upstream | Promise<Upstream>
  websocket: SessionOptions
  policies: readonly Policy[]
}
