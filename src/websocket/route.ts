import type { FastifyRequest } from 'fastify'
import { withDefaults, type WithDefaults } from '../options/defaults.js'
import { MessageOptions, ReconnectOptions, WebSocketOptions, type MessageFunction, type MessageRules } from '../options/index.js'
import type { Policy } from '../proxy/policy.js'
import type { Route } from '../proxy/route.js'
import type { Upstream } from '../upstreams/upstream.js'
import type { Fault } from './relay/message-direction.js'

const DEFAULTED = ['handshakeTimeout', 'pingInterval', 'pongTimeout', 'stallTimeout', 'closeTimeout', 'idleCode', 'lifetimeCode', 'onRemoved', 'onUnhealthy', 'strict'] as const

/** The hooks for messages of a route, those of its scopes first. */
export interface MessageHooks extends Required<Pick<MessageOptions, 'maxSize' | 'maxPending' | 'timeout'>>, Pick<MessageOptions, 'onClose'> {
  fromClient: readonly MessageHook[]
  fromTarget: readonly MessageHook[]
}

/** A hook of the app, or rules of the route as one. */
export type MessageHook = (...args: Parameters<MessageFunction>) => ReturnType<MessageFunction> | Fault

/** The sides whose messages a hook can look at. */
export type MessageSide = 'fromClient' | 'fromTarget'

/** Compiles the rules of one side. */
export type CompileRules = (rules: MessageRules, side: MessageSide) => MessageHook

/** How the target of a session is replaced. */
export type Reconnect = WithDefaults<ReconnectOptions, 'attempts' | 'delay' | 'maxDelay' | 'jitter' | 'bufferSize' | 'codes'>

/** The options of a route's sessions, with their defaults. */
export type SessionOptions = Omit<WithDefaults<WebSocketOptions, typeof DEFAULTED[number]>, 'messages' | 'reconnect'> & {
  messages: MessageHooks | undefined
  reconnect: Reconnect | undefined
}

/** @throws What `compileRules` throws. */
export function sessionOptions (options: WebSocketOptions, compileRules: CompileRules): SessionOptions {
  const { messages, reconnect } = options
  return {
    ...withDefaults(WebSocketOptions, options, DEFAULTED),
    messages: messages === undefined ? undefined : messageHooks(messages, compileRules),
    reconnect: reconnect === undefined ? undefined : withDefaults(ReconnectOptions, reconnect, ['attempts', 'delay', 'maxDelay', 'jitter', 'bufferSize', 'codes'])
  }
}

function messageHooks (messages: MessageOptions, compileRules: CompileRules): MessageHooks {
  const { fromClient = [], fromTarget = [], ...options } = withDefaults(MessageOptions, messages, ['maxSize', 'maxPending', 'timeout'])
  const hooks = (given: NonNullable<MessageOptions[MessageSide]>, side: MessageSide): MessageHook[] =>
    [given].flat().map(hook => typeof hook === 'function' ? hook : compileRules(hook, side))
  return { ...options, fromClient: hooks(fromClient, 'fromClient'), fromTarget: hooks(fromTarget, 'fromTarget') }
}

/** The limits of hooks where a route sets none. */
export const NO_HOOKS: MessageHooks = { ...withDefaults(MessageOptions, {} as MessageOptions, ['maxSize', 'maxPending', 'timeout']), fromClient: [], fromTarget: [] }

/** A route as the WebSocket leg sees it. */
export interface PassthroughRoute extends Route {
  /** The upstream that a handshake goes to. */
  chooseHandshakeUpstream (request: FastifyRequest): Upstream | Promise<Upstream>
  websocket: SessionOptions
  policies: readonly Policy[]
}
