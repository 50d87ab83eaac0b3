/*
 * Every option of the gateway, once: types, validation, defaults, JSON Schema and the reference in docs/ all come from
 * these schemas. `npm run docs` writes what is made of them; a test fails where that was forgotten.
 */

export { GatewayConfig, ListenOptions, ListenTlsOptions, LogLevel } from './config.js'
export type { HashFunction, HeaderFunction, IgnoreUpgradeFunction, RewriteFunction, SessionEndFunction, SessionFunction, UntilFunction, UpstreamFunction } from './functions.js'
export { GatewayOptions } from './gateway.js'
export { CookieRules, HeaderRules, HeaderTexts, PassthroughOptions, ProxyOptions, RewritePattern, RouteConfig } from './route.js'
export { TargetOptions, UpstreamConfig, UpstreamOptions, UpstreamTlsOptions } from './upstream.js'
export { HashConfig, HashOptions, StickyOptions } from './balancing.js'
export { HealthOptions, PassiveHealthOptions } from './health.js'
export { MessageRate, WebSocketConfig, WebSocketOptions } from './websocket.js'
