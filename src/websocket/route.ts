import type { WebSocketOptions } from '../options/index.js'
import type { Policy } from '../proxy/policy.js'
import type { Route } from '../proxy/route.js'

/** A route as the WebSocket leg sees it. */
export interface PassthroughRoute extends Route {
  websocket: WebSocketOptions
  policies: readonly Policy[]
}
