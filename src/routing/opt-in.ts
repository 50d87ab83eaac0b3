import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import type { FastifyInstance, HTTPMethods, preParsingHookHandler, RouteOptions } from 'fastify'
import { leaveBodyUnparsed, serveHandshakes, type HandshakeHandler } from './route.js'
import { RouteTable } from './route-table.js'
import { asksForWebSocket } from '../message/upgrade-request.js'

/** A route of another plugin whose config opts its handshakes into the gateway: `config.passthrough`. */
export interface OptedInRoute {
  url: string
  /** Where it is registered. */
  scope: FastifyInstance
  /** What stands under `config.passthrough`, not validated yet. */
  options: unknown
  /** Set by the gateway. Without one the route is as it would be. */
  handshake: HandshakeHandler | undefined
}

type OnOptIn = (route: OptedInRoute) => void

interface OptIns {
  /** Routes in scopes that have no gateway so far. */
  pending: OptedInRoute[]
  /** That of the gateway that was registered first. */
  first: OnOptIn | undefined
  /** Whether a hook of the app itself sees every route. */
  watched: boolean
}

const optIns = new WeakMap<Server, OptIns>()
const handled = new WeakSet<RouteOptions>()

/** Decorates the scope of a gateway, and so the scopes within it. */
const ON_OPT_IN = Symbol('sluice.onOptIn')

function optInsOf (server: Server): OptIns {
  let found = optIns.get(server)
  if (found === undefined) optIns.set(server, found = { pending: [], first: undefined, watched: false })
  return found
}

function gatewayOf (scope: FastifyInstance): OnOptIn | undefined {
  return (scope as { [ON_OPT_IN]?: OnOptIn })[ON_OPT_IN]
}

/** Whether a scope, or one around it, has a gateway. */
export function hasGateway (scope: FastifyInstance): boolean {
  return gatewayOf(scope) !== undefined
}

/** Routes that the table has: in an app that is not watched, the hooks of two scopes may see one. */
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
  RouteTable.of(this.server).addPassing(routeOptions.url)
  const route: OptedInRoute = { url: routeOptions.url, scope: this, options, handshake: undefined }
  serveHandshakes(routeOptions, () => route.handshake)
  const leaveHandshakeUnparsed: preParsingHookHandler = (request, reply, payload, done) => {
    if (route.handshake !== undefined && asksForWebSocket(request.raw, route.handshake.strict)) leaveBodyUnparsed(request, reply, payload, done)
    else done(null, payload)
  }
  routeOptions.preParsing = [...[routeOptions.preParsing ?? []].flat(), leaveHandshakeUnparsed]
  const onOptIn = gatewayOf(this)
  if (onOptIn === undefined) optInsOf(this.server).pending.push(route)
  else onOptIn(route)
}

/**
 * Calls `onOptIn` for every route that opts in and belongs to this gateway, those from before this call included: for
 * those of its scope, and, where it is the first of the app, at the end for those that have none in theirs.
 *
 * A route can be seen only while it is registered, and it may be registered before the gateway is. So every
 * Fastify app that is made after this module was loaded is watched from its beginning, over the diagnostics
 * channel that Fastify documents for it. In an app that is older, only the routes after this call are seen.
 */
export function watchOptIns (app: FastifyInstance, onOptIn: OnOptIn): void {
  const found = optInsOf(app.server)
  app.decorate(ON_OPT_IN, onOptIn)
  const isOurs = ({ scope }: OptedInRoute): boolean => gatewayOf(scope) === onOptIn
  const ours = found.pending.filter(isOurs)
  found.pending = found.pending.filter(route => !isOurs(route))
  for (const route of ours) onOptIn(route)
  if (!found.watched) app.addHook('onRoute', lookAtRoute)
  if (found.first !== undefined) return
  found.first = onOptIn
  app.addHook('onReady', async () => {
    for (const route of found.pending.splice(0)) onOptIn(route)
  })
}

subscribe('fastify.initialization', message => {
  const { fastify } = message as { fastify: FastifyInstance }
  optInsOf(fastify.server).watched = true
  fastify.addHook('onRoute', lookAtRoute)
})
