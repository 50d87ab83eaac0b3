import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyContextConfig, FastifyInstance, FastifyPluginAsync, FastifyRequest, RouteOptions, RouteShorthandOptions } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { RequestInvalidError, RouteInvalidError, UpstreamUnknownError } from './errors.js'
import { Closing, type ClosingPart } from './listener/closing.js'
import { LastResponses } from './listener/last-responses.js'
import { holdExpectations } from './listener/expectation.js'
import { isHost } from './message/host.js'
import { proxyRequest } from './http/proxy.js'
import { requestTarget } from './message/request-target.js'
import { watchOptIns } from './routing/opt-in.js'
import { OtherConnections } from './listener/other-addresses.js'
import { GatewayOptions, PassthroughOptions, ProxyOptions, type UpstreamOptions } from './options/index.js'
import { keepLast, leaveBodyUnparsed, serveHandshakes, type HandshakeHandler, type RouteHandler } from './routing/route.js'
import { RouteTable } from './routing/route-table.js'
import { chooseUpstream } from './routing/choose-upstream.js'
import { forwardingPolicy } from './message/forwarding.js'
import { UpstreamRegistry } from './upstreams/registry.js'
import { rewritingOf } from './message/rewriting.js'
import { parseTarget } from './net/target-address.js'
import { Upstream } from './upstreams/upstream.js'
import { validated } from './options/validate.js'
import { Admission } from './policies/admission.js'
import { passThrough, type PassthroughRoute } from './websocket/handshake/passthrough.js'
import { Sessions, type DrainOptions } from './websocket/sessions.js'
import { Upgrades } from './listener/upgrades.js'

/** Options of `app.proxy(url, options)`: the gateway's own, and Fastify's route options less those of a body that is not parsed. */
export type ProxyRouteOptions = ProxyOptions &
  Omit<RouteShorthandOptions, 'schema' | 'handler' | keyof ProxyOptions> & {
    /** HTTP method or methods. Default: all that the app supports. */
    method?: RouteOptions['method']
    /** Schemas for what the gateway reads. A body is streamed, so there is none for it. */
    schema?: Pick<NonNullable<RouteShorthandOptions['schema']>, 'querystring' | 'headers' | 'params'>
  }

/** `app.gateway`. */
export interface Gateway {
  /** The open WebSocket sessions. */
  readonly sessions: Pick<Sessions, 'size' | 'list' | 'close'>
  /**
   * Refuses new handshakes with 503, ends every session with Close 1012 between two messages, and resolves when all
   * have ended. What is left after the timeout is destroyed. `app.close()` does the same.
   *
   * @throws {RangeError} for a close code that may not stand on the wire.
   */
  drain (options?: DrainOptions): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The gateway of this app. */
    gateway: Gateway
    /**
     * Declares an upstream for the whole app.
     *
     * @throws SLUICE_UPSTREAM_DUPLICATE, SLUICE_TARGET_MALFORMED, SLUICE_OPTIONS_INVALID
     */
    upstream (name: string, options: UpstreamOptions): this
    /**
     * Registers a proxied route in this scope, whose prefix, hooks and error handler hold for requests and
     * for WebSocket handshakes.
     *
     * @param url A URL pattern, or several that are alike: `['/api', '/api/*']`.
     * @throws SLUICE_OPTIONS_INVALID, SLUICE_ROUTE_INVALID
     */
    proxy (url: string | readonly string[], options: ProxyRouteOptions): this
  }
  interface FastifyContextConfig {
    /** On a route of @fastify/http-proxy: its WebSocket handshakes go through the gateway. */
    passthrough?: PassthroughOptions
  }
}

const plugin: FastifyPluginAsync<GatewayOptions> = async (app, givenOptions) => {
  const options = validated(GatewayOptions, givenOptions, 'The options of sluice')
  const registry = new UpstreamRegistry()
  const routes = RouteTable.of(app.server)
  // Fastify's types have the older places of these options alone.
  routes.configure({ ...app.initialConfig, ...app.initialConfig.routerOptions })
  const checkReadings = (request: FastifyRequest): void => {
    routes.check(request.method, requestTarget(request.raw), () => request.routeOptions.url!)
  }
  const sessions = new Sessions()
  const routing = (request: IncomingMessage, response: ServerResponse) => app.routing(request, response)
  const upgrades = Upgrades.of(app.server, { routing, ignore: options.ignoreUpgrade })
  LastResponses.of(app.server)
  holdExpectations(app.server, routing)
  const otherConnections = OtherConnections.of(app)
  /** The routes that name their upstream, until all upstreams are declared. */
  const named: Array<{ url: string, upstream: string }> = []

  const routeOf = (url: string, { upstream, websocket, ...rewriting }: PassthroughOptions): PassthroughRoute => {
    if (typeof upstream === 'string') {
      if (UpstreamRegistry.isUrl(upstream)) parseTarget(upstream)
      named.push({ url, upstream })
    }
    const options = websocket === undefined || websocket === true ? {} : websocket
    return {
      url,
      chooseUpstream: request => chooseUpstream(registry, upstream, request),
      rewriting: rewritingOf(rewriting, `Route '${url}'`),
      forwarding: forwardingPolicy(givenOptions, rewriting),
      websocket: options,
      admission: new Admission(options)
    }
  }
  const passUpgrades = (route: PassthroughRoute): HandshakeHandler => ({
    strict: route.websocket.strict ?? true,
    serve: (request, reply) => {
      checkReadings(request)
      return passThrough(request, reply, route, { upgrades, sessions })
    }
  })

  app.decorate('gateway', { sessions, drain: drainOptions => sessions.drain(drainOptions) })

  app.decorate('upstream', function (this: FastifyInstance, name: string, upstreamOptions: UpstreamOptions) {
    registry.declare(name, upstreamOptions)
    return this
  })

  app.decorate('proxy', function (this: FastifyInstance, paths: string | readonly string[], given: ProxyRouteOptions) {
    for (const path of typeof paths === 'string' ? [paths] : paths) proxy(this, path, given)
    return this
  })
  const proxy = (scope: FastifyInstance, path: string, given: ProxyRouteOptions): void => {
    const url = `${scope.prefix}${path}`
    checkRoute(url, given)
    const { upstream, stripPrefix, host, rewrite, headers, rewriteLocation, rewriteCookies, websocket, method = methodsFor(scope, url, given.constraints), config, preParsing = [], ...fastifyOptions } = given
    const route = routeOf(url, defined<PassthroughOptions>({ upstream, stripPrefix, host, rewrite, headers, rewriteLocation, rewriteCookies, websocket: websocket === false ? undefined : websocket }))
    const proxied = { ...route, bodyLimit: given.bodyLimit ?? Infinity }
    const serve: RouteHandler = (request, reply) => {
      upgrades.prepare(request.raw, reply.raw)
      checkReadings(request)
      const upstream = route.chooseUpstream(request)
      if (upstream instanceof Upstream) return proxyRequest(request, reply, upstream, proxied)
      upstream.then(chosen => proxyRequest(request, reply, chosen, proxied)).catch(error => reply.send(error))
    }
    const handshake = websocket === undefined || websocket === false ? { strict: true, serve } : passUpgrades(route)
    scope.route({
      ...fastifyOptions,
      method,
      url: path,
      config: { ...config, [HANDSHAKE]: handshake } as FastifyContextConfig,
      preParsing: [...[preParsing].flat(), leaveBodyUnparsed],
      handler: serve
    })
  }

  app.addHook('onRoute', routeOptions => {
    const handshake = (routeOptions.config as { [HANDSHAKE]?: HandshakeHandler } | undefined)?.[HANDSHAKE]
    if (handshake === undefined) return
    routes.addProxied(routeOptions.url)
    serveHandshakes(routeOptions, () => handshake)
    keepLast(routeOptions, leaveBodyUnparsed)
  })
  watchOptIns(app, route => {
    const checked = validated(PassthroughOptions, route.options, `config.passthrough of route '${route.url}'`)
    route.handshake = passUpgrades(routeOf(route.url, checked))
  })

  // Ahead of the hooks that make something of it (RFC 9112 §3.2). The router has, but this request goes no further.
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    done(isHost(raw.headers.host) ? undefined : new RequestInvalidError('Host is not a valid host and port'))
  })

  // An upgrade that no route knows may belong to a neighbour that answers late, behind an async check of its own.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404 || !upgrades.hasNeighbours || !upgrades.leave(request.raw, reply.raw)) return done()
    reply.hijack()
  })

  app.addHook('onReady', async () => {
    for (const { url, upstream } of named) {
      if (registry.get(upstream) === undefined) throw new UpstreamUnknownError(url, upstream, upstream)
    }
  })
  const drainTimeout = options.drainTimeout ?? 30_000
  const closing = Closing.of(app.server, app.log)
  const part: ClosingPart = {
    timeout: drainTimeout,
    drain: () => {
      upgrades.close()
      return sessions.drain({ timeout: drainTimeout, spread: options.drainSpread ?? 0, code: options.drainCode ?? 1012 })
    },
    abort: () => registry.close()
  }
  closing.add(part)
  app.addHook('preClose', () => closing.begin())
  app.addHook('onClose', async () => {
    await otherConnections.closed()
    otherConnections.destroyEarly()
    closing.end(part)
    registry.close()
  })
}

/** Under this key, a proxied route's config holds what serves its requests for WebSockets. */
const HANDSHAKE = Symbol('sluice.handshake')

/**
 * All methods, but for OPTIONS where it has a route of its own: @fastify/cors declares one for every path, so
 * that its hook gets to see the preflights.
 */
function methodsFor (app: FastifyInstance, url: string, constraints: RouteShorthandOptions['constraints']): string[] {
  // The router knows '*' under this name alone.
  const hasOptions = app.hasRoute({ method: 'OPTIONS', url: url === '*' ? '/*' : url, constraints: constraints ?? {} })
  return app.supportedMethods.filter(method => method !== 'OPTIONS' || !hasOptions)
}

/** @throws {OptionsInvalidError | RouteInvalidError} for options that cannot be meant. */
function checkRoute (url: string, given: ProxyRouteOptions): void {
  const own: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    const meant = Object.keys(ProxyOptions.properties).find(name => withoutPlural(name) === withoutPlural(key))
    // Other plugins have route options of their own, so not every unknown name is a mistake. One like ours is.
    if (meant !== undefined && meant !== key) throw new RouteInvalidError(url, `there is no option '${key}'. Did you mean '${meant}'?`)
    if (meant !== undefined && value !== undefined) own[key] = value
  }
  const { stripPrefix, websocket } = validated(ProxyOptions, own, `Route '${url}'`)
  if (stripPrefix !== undefined && !`${url}/`.startsWith(stripPrefix.endsWith('/') ? stripPrefix : `${stripPrefix}/`)) {
    throw new RouteInvalidError(url, `stripPrefix '${stripPrefix}' is not the beginning of its URL. Give a prefix that every matched path has.`)
  }
  const { method, schema } = given
  if (websocket !== undefined && websocket !== false && method !== undefined && ![method].flat().some(name => name.toUpperCase() === 'GET')) {
    throw new RouteInvalidError(url, 'a WebSocket handshake is a GET. Add GET to its methods, or leave websocket out.')
  }
  if (schema !== undefined && 'body' in schema) {
    throw new RouteInvalidError(url, 'a proxied body is streamed and never parsed, so schema.body cannot hold. Remove it.')
  }
}

/** The options that are given; with `exactOptionalPropertyTypes` an undefined one is not one that is left out. */
function defined<Options extends object> (options: { [Name in keyof Options]: Options[Name] | undefined }): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}

function withoutPlural (name: string): string {
  return name.toLowerCase().replace(/s$/, '')
}

/** The gateway as a Fastify plugin. */
export default fastifyPlugin(plugin, { fastify: '^5.5.0', name: 'sluice' })
