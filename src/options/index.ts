/*
 * Every option of the gateway, once: types, validation, defaults, JSON Schema and the reference in docs/ all come from
 * these schemas. `npm run docs` writes what is made of them; a test fails where that was forgotten.
 */

export { AdminOptions } from './admin.js'
export { GatewayConfig, ListenOptions, ListenTlsOptions, LogLevel } from './config.js'
export type { CloseFunction, DelayFunction, HashFunction, HeaderFunction, HeadersFunction, IgnoreUpgradeFunction, JsonSchema, MessageFunction, PongFunction, RateKeyFunction, ReconnectFunction, RewriteFunction, SessionEndFunction, SessionFunction, UntilFunction, UpstreamAtUrl, UpstreamFunction } from './functions.js'
export { AccessLogOptions, GatewayOptions, TracingOptions } from './gateway.js'
export { CookieRules, HeaderRules, HeaderTexts, PassthroughOptions, ProxyOptions, RewritePattern, RouteConfig, RouteConstraints } from './route.js'
export { DiscoveryOptions, DnsOptions, HttpTargetsOptions, KubernetesOptions } from './discovery.js'
export { type TargetLists, TargetOptions, UpstreamConfig, UpstreamOptions, UpstreamTlsOptions } from './upstream.js'
export { HashConfig, HashOptions, StickyOptions } from './balancing.js'
export { HealthOptions, PassiveHealthOptions } from './health.js'
export { MessageRules } from './message-rules.js'
export { MessageConfig, MessageOptions } from './messages.js'
export { ReconnectConfig, ReconnectOptions } from './reconnect.js'
export { MessageRate, MessageRateConfig, WebSocketConfig, WebSocketOptions } from './websocket.js'
