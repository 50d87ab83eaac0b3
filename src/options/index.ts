/*
 * Every option of the gateway, once: types, validation, defaults, JSON Schema and the reference in docs/ all come from
 * these schemas. `npm run docs` writes what is made of them; a test fails where that was forgotten.
 */

export { GatewayConfig, ListenOptions, ListenTlsOptions, LogLevel } from './config.js'
export type { HeaderFunction, IgnoreUpgradeFunction, RewriteFunction, SessionEndFunction, SessionFunction, UntilFunction, UpstreamFunction } from './functions.js'
export { GatewayOptions } from './gateway.js'
export { CookieRules, HeaderRules, HeaderTexts, PassthroughOptions, ProxyOptions, RewritePattern, RouteConfig } from './route.js'
export { TargetOptions, UpstreamOptions, UpstreamTlsOptions } from './upstream.js'
export { MessageRate, WebSocketConfig, WebSocketOptions } from './websocket.js'
