import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import type { FastifyInstance, HTTPMethods, preParsingHookHandler, RouteOptions } from 'fastify'
import { leaveBodyUnparsed, serveHandshakes, type HandshakeHandler } from './route.js'
import { RouteTable } from './route-table.js'
import { asksForWebSocket } from './websocket/handshake.js'

/** A route of another plugin whose config opts its handshakes into the gateway: `config.passthrough`. */
export interface OptedInRoute {
  url: string
  /** What stands under `config.passthrough`, not validated yet. */
  options: unknown
  /** Set by the gateway. Without one the route is as it would be. */
  handshake: HandshakeHandler | undefined
}

interface OptIns {
  routes: OptedInRoute[]
  onRoute: ((route: OptedInRoute) => void) | undefined
}

const optIns = new WeakMap<Server, OptIns>()
const handled = new WeakSet<RouteOptions>()

function optInsOf (server: Server): OptIns {
  let found = optIns.get(server)
  if (found === undefined) {
    found = { routes: [], onRoute: undefined }
    optIns.set(server, found)
  }
  return found
}

/** Routes that the table has, which a hook of each scope and the gateway's own may see. */
const listed = new WeakSet<RouteOptions>()

function lookAtRoute (this: FastifyInstance, routeOptions: RouteOptions): void {
  if (!listed.has(routeOptions)) {
    listed.add(routeOptions)
    const { url, constraints = {}, routePath, prefix } = routeOptions as RouteOptions & { routePath: string, prefix: string }
    // Of '/' in a scope with a prefix, Fastify makes two routes, and calls its hooks for the one without the slash.
    const isTwo = routePath === '' && prefix !== ''
    RouteTable.of(this.server).add(routeOptions, isTwo ? method => this.hasRoute({ method: method as HTTPMethods, url: `${url}/`, constraints }) : undefined)
  }
  const options = routeOptions.config?.passthrough
  if (options === undefined || handled.has(routeOptions)) return
  handled.add(routeOptions)
  RouteTable.of(this.server).addProxied(routeOptions.url)
  const route: OptedInRoute = { url: routeOptions.url, options, handshake: undefined }
  serveHandshakes(routeOptions, () => route.handshake)
  const leaveHandshakeUnparsed: preParsingHookHandler = (request, reply, payload, done) => {
    if (route.handshake !== undefined && asksForWebSocket(request.raw, route.handshake.strict)) leaveBodyUnparsed(request, reply, payload, done)
    else done(null, payload)
  }
  routeOptions.preParsing = [...[routeOptions.preParsing ?? []].flat(), leaveHandshakeUnparsed]
  const { routes, onRoute } = optInsOf(this.server)
  if (onRoute === undefined) routes.push(route)
  else onRoute(route)
}

/**
 * Calls `onRoute` for every route that opts in, those from before this call included.
 *
 * A route can be seen only while it is registered, and it may be registered before the gateway is. So every
 * Fastify app that is made after this module was loaded is watched from its beginning, over the diagnostics
 * channel that Fastify documents for it. In an app that is older, only the routes after this call are seen.
 */
export function watchOptIns (app: FastifyInstance, onRoute: (route: OptedInRoute) => void): void {
  const found = optInsOf(app.server)
  found.onRoute = onRoute
  for (const route of found.routes.splice(0)) onRoute(route)
  app.addHook('onRoute', lookAtRoute)
}

subscribe('fastify.initialization', message => {
  (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', lookAtRoute)
})
