export { createGateway, type CreateGatewayOptions, type GatewayServer } from './gateway.js'
export type { Difference, Reloaded } from './changes.js'
export type { GatewayRoutes, GatewayUpstreams } from './edits.js'
export { GatewayConfig, RouteConfig, UpstreamConfig } from '../options/index.js'
