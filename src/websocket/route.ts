import type { FastifyRequest } from 'fastify'
import { withDefaults, type WithDefaults } from '../options/defaults.js'
import { MessageOptions, ReconnectOptions, WebSocketOptions, type MessageFunction } from '../options/index.js'
import type { Policy } from '../proxy/policy.js'
import type { Route } from '../proxy/route.js'
import type { Upstream } from '../upstreams/upstream.js'

const DEFAULTED = ['handshakeTimeout', 'pingInterval', 'pongTimeout', 'stallTimeout', 'closeTimeout', 'idleCode', 'lifetimeCode', 'onRemoved', 'onUnhealthy', 'strict'] as const

/** The hooks for messages of a route, those of its scopes first. */
export interface MessageHooks extends Required<Pick<MessageOptions, 'maxSize' | 'maxPending' | 'timeout'>>, Pick<MessageOptions, 'onClose'> {
  fromClient: readonly MessageFunction[]
  fromTarget: readonly MessageFunction[]
}

/** How the target of a session is replaced. */
export type Reconnect = WithDefaults<ReconnectOptions, 'attempts' | 'delay' | 'maxDelay' | 'jitter' | 'bufferSize' | 'codes'>

/** The options of a route's sessions, with their defaults. */
export type SessionOptions = Omit<WithDefaults<WebSocketOptions, typeof DEFAULTED[number]>, 'messages' | 'reconnect'> & {
  messages: MessageHooks | undefined
  reconnect: Reconnect | undefined
}

export function sessionOptions (options: WebSocketOptions): SessionOptions {
  const { messages, reconnect } = options
  return {
    ...withDefaults(WebSocketOptions, options, DEFAULTED),
    messages: messages === undefined ? undefined : messageHooks(messages),
    reconnect: reconnect === undefined ? undefined : withDefaults(ReconnectOptions, reconnect, ['attempts', 'delay', 'maxDelay', 'jitter', 'bufferSize', 'codes'])
  }
}

/** The hooks of a route, or of a scope alone, with the defaults of their limits. */
export function messageHooks (messages: MessageOptions): MessageHooks {
  const { fromClient = [], fromTarget = [], ...options } = withDefaults(MessageOptions, messages, ['maxSize', 'maxPending', 'timeout'])
  return { ...options, fromClient: [fromClient].flat(), fromTarget: [fromTarget].flat() }
}

/** A route as the WebSocket leg sees it. */
export interface PassthroughRoute extends Route {
  /** The upstream that a handshake goes to. */
  chooseHandshakeUpstream (request: FastifyRequest): Upstream | Promise<Upstream>
  websocket: SessionOptions
  policies: readonly Policy[]
}
