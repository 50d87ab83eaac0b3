import sluice from './plugin.js'

/** The gateway as a Fastify plugin: `await app.register(sluice)`. */
export default sluice
export { sluice }
export { drop } from './types.js'
export { redactedLogs } from './observers/redaction.js'
export { requestId, type TrustProxy } from './routing/request-id.js'
export type { Gateway, Upstreams } from './gateway.js'
export type { ErrorSource, GatewayError } from './errors.js'
export type { ProxyRouteOptions } from './routing/proxied-route.js'
export type { RebalanceOptions, TargetStatus, UpstreamControl } from './upstreams/control.js'
export type { TargetChange, TargetHealth, TargetState } from './upstreams/standing.js'
export type { Observer } from './proxy/observer.js'
export type { Exchange, Outcome, OutcomeReason, Timings } from './proxy/exchange.js'
export * as errors from './errors.js'
export {
  GatewayOptions,
  MessageOptions,
  PassthroughOptions,
  ProxyOptions,
  ReconnectOptions,
  TargetOptions,
  UpstreamOptions,
  WebSocketOptions,
  type CloseFunction,
  type DelayFunction,
  type HashFunction,
  type HeaderFunction,
  type HeadersFunction,
  type MessageFunction,
  type PongFunction,
  type RateKeyFunction,
  type ReconnectFunction,
  type RewriteFunction,
  type UntilFunction,
  type UpstreamAtUrl,
  type UpstreamFunction
} from './options/index.js'
export type { CloseSent, EndedBy, EndReason, SessionEnd, RouteStatus, SessionRequest, Traffic, MessageResult, WebSocketMessage, WebSocketSession } from './types.js'
export type { DrainOptions, SessionFilter } from './websocket/sessions.js'
