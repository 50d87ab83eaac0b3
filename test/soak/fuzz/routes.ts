import type { ProxyRouteOptions } from '../../../src/index.js'
import type { RouteConfig } from '../../../src/options/index.js'

/** A way through the gateway that the fuzzer takes. Each is there once for each kind of target. */
interface FuzzRoute {
  name: string
  /** By what its targets are reached; 'two' has a further target that is dead. */
  over: 'tcp' | 'tls' | 'unix' | 'two'
  /** What the service's configuration can say, too. */
  options: Omit<RouteConfig, 'url' | 'upstream'>
  /** What only code can say. */
  hooks?: Partial<ProxyRouteOptions>
}

const webSocketLimits = { closeTimeout: 500, handshakeTimeout: 2000, stallTimeout: 2000, pingInterval: 700, pongTimeout: 1500 } as const

export const ROUTES: readonly FuzzRoute[] = [
  { name: 'plain', over: 'tcp', options: {} },
  { name: 'hooked', over: 'tcp', options: {}, hooks: { onSend: async (_request, reply) => { reply.header('x-hooked', '1') } } },
  { name: 'async', over: 'unix', options: { websocket: webSocketLimits }, hooks: { onRequest: async () => { await new Promise(resolve => setTimeout(resolve, 2)) } } },
  { name: 'ws', over: 'tcp', options: { websocket: { ...webSocketLimits, lossCode: 1011 } } },
  { name: 'loose', over: 'tls', options: { websocket: { ...webSocketLimits, strict: false } } },
  { name: 'rate', over: 'tcp', options: { websocket: { ...webSocketLimits, maxMessageSize: 100_000, messageRate: { messages: 50, burst: 50 } } } },
  { name: 'delay', over: 'unix', options: { websocket: { ...webSocketLimits, idleTimeout: 1500, maxLifetime: 3000, messageRate: { messages: 100, burst: 50, action: 'delay' } } } },
  { name: 'strip', over: 'tls', options: { rewriteLocation: true, rewriteCookies: true, headers: { request: { 'X-User-Id': 'none' }, response: { Server: null } } } },
  { name: 'limit', over: 'tcp', options: { bodyLimit: 1000 } },
  { name: 'two', over: 'two', options: { websocket: webSocketLimits } }
]

/**
 * The kinds of target: one that misbehaves; one that does not, whatever it is asked; and one that is only asked what
 * is right, so that each of its responses is known.
 */
export const TARGETS = ['bad', 'good', 'pure'] as const
export type TargetKind = typeof TARGETS[number]

/** The prefix of a route of the app's own, which gives the rest of the path: requests of HTTP/2 are not passed on. */
export const OWN = '/own/'

export const names = ROUTES.map(({ name }) => name)
/** Those that a WebSocket can pass. */
export const webSocketNames = ROUTES.filter(({ options }) => options.websocket !== undefined).map(({ name }) => name)

export const prefixOf = (kind: TargetKind, name: string): string => `/${kind}/${name}`
/** Those of a route whose clients and targets do nothing wrong: on a machine under load they are late, all the same. */
const patience = { closeTimeout: 30_000, handshakeTimeout: 30_000, stallTimeout: 30_000, pongTimeout: 30_000, idleTimeout: 30_000, maxLifetime: 60_000 } as const

/** The options of a route to a kind of target. */
export function optionsOf (kind: TargetKind, { name, options }: FuzzRoute): FuzzRoute['options'] {
  return {
    ...options,
    ...options.websocket !== undefined && kind === 'pure' && { websocket: { ...options.websocket as object, ...patience } },
    ...name === 'strip' && { stripPrefix: prefixOf(kind, name) }
  }
}
export const upstreamOf = (kind: TargetKind, over: FuzzRoute['over']): string => `${kind}-${over}`
