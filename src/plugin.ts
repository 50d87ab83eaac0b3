import type { FastifyContextConfig, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, preParsingHookHandler, RequestPayload, RouteOptions, RouteShorthandOptions } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { RouteInvalidError, UpstreamUnknownError } from './errors.js'
import { proxyRequest } from './http/proxy.js'
import { GatewayOptions, PassthroughOptions, ProxyOptions, type UpstreamOptions } from './options.js'
import { chooseUpstream } from './upstreams/choice.js'
import { hasBody } from './upstreams/headers.js'
import { UpstreamRegistry } from './upstreams/registry.js'
import { parseTarget } from './upstreams/target.js'
import { validated } from './validate.js'
import { asksForWebSocket } from './websocket/handshake.js'
import { passThrough, type PassthroughRoute } from './websocket/passthrough.js'
import { Sessions } from './websocket/sessions.js'
import { Upgrades } from './websocket/upgrades.js'

/** Options of `app.proxy(url, options)`: the gateway's own, and Fastify's route options less those of a body that is not parsed. */
export type ProxyRouteOptions = ProxyOptions &
  Omit<RouteShorthandOptions, 'schema' | 'handler'> & {
    /** HTTP method or methods. Default: all that the app supports. */
    method?: RouteOptions['method']
    /** Schemas for what the gateway reads. A body is streamed, so there is none for it. */
    schema?: Pick<NonNullable<RouteShorthandOptions['schema']>, 'querystring' | 'headers' | 'params'>
  }

/** `app.gateway`. */
export interface Gateway {
  readonly sessions: {
    /** How many WebSocket sessions are open. */
    readonly size: number
  }
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
     * @throws SLUICE_OPTIONS_INVALID, SLUICE_ROUTE_INVALID
     */
    proxy (url: string, options: ProxyRouteOptions): this
  }
  interface FastifyContextConfig {
    /** On a route of @fastify/http-proxy: its WebSocket handshakes go through the gateway. */
    passthrough?: PassthroughOptions
  }
}

const plugin: FastifyPluginAsync<GatewayOptions> = async (app, givenOptions) => {
  const options = validated(GatewayOptions, givenOptions, 'The options of sluice')
  const registry = new UpstreamRegistry()
  const sessions = new Sessions()
  const upgrades = Upgrades.of(app.server, {
    routing: (request, response) => app.routing(request, response),
    ignore: options.ignoreUpgrade
  })
  /** The routes that name their upstream, until all upstreams are declared. */
  const named: Array<{ url: string, upstream: string }> = []

  const routeOf = (url: string, { upstream, stripPrefix, websocket }: PassthroughOptions): PassthroughRoute => {
    if (typeof upstream === 'string') {
      if (UpstreamRegistry.isUrl(upstream)) parseTarget(upstream)
      named.push({ url, upstream })
    }
    return {
      chooseUpstream: request => chooseUpstream(registry, upstream, request),
      stripPrefix,
      websocket: { handshakeTimeout: 10_000, closeTimeout: 5_000, ...websocket }
    }
  }
  const passUpgrades = (route: PassthroughRoute): RouteHandler =>
    (request, reply) => passThrough(request, reply, route, { upgrades, sessions })

  app.decorate('gateway', { sessions })

  app.decorate('upstream', function (this: FastifyInstance, name: string, upstreamOptions: UpstreamOptions) {
    registry.declare(name, upstreamOptions)
    return this
  })

  app.decorate('proxy', function (this: FastifyInstance, path: string, given: ProxyRouteOptions) {
    const url = `${this.prefix}${path}`
    checkRoute(url, given)
    const { upstream, stripPrefix, websocket, method = this.supportedMethods, config, preParsing = [], ...fastifyOptions } = given
    const route = routeOf(url, { upstream, stripPrefix, websocket: typeof websocket === 'object' ? websocket : undefined })
    const serve: RouteHandler = async (request, reply) =>
      proxyRequest(request, reply, await route.chooseUpstream(request), stripPrefix)
    const handshake = websocket === undefined || websocket === false ? serve : passUpgrades(route)
    this.route({
      ...fastifyOptions,
      method,
      url: path,
      config: { ...config, [HANDSHAKE]: handshake } as FastifyContextConfig,
      preParsing: [...[preParsing].flat(), leaveBodyUnparsed],
      handler: serve
    })
    return this
  })

  app.addHook('onRoute', routeOptions => {
    const config = routeOptions.config as { [HANDSHAKE]?: RouteHandler, passthrough?: PassthroughOptions } | undefined
    if (config?.passthrough !== undefined) {
      const checked = validated(PassthroughOptions, config.passthrough, `config.passthrough of route '${routeOptions.url}'`)
      serveHandshakes(routeOptions, passUpgrades(routeOf(routeOptions.url, checked)), upgrades)
    } else if (config?.[HANDSHAKE] !== undefined) {
      serveHandshakes(routeOptions, config[HANDSHAKE], upgrades)
      keepLast(routeOptions, leaveBodyUnparsed)
    }
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
  app.addHook('preClose', () => sessions.drain(options.drainTimeout ?? 30_000))
  app.addHook('onClose', () => registry.close())
}

/** Under this key, a proxied route's config holds what serves its requests for WebSockets. */
const HANDSHAKE = Symbol('sluice.handshake')

type RouteHandler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/** @throws {OptionsInvalidError | RouteInvalidError} for options that cannot be meant. */
function checkRoute (url: string, given: ProxyRouteOptions): void {
  const own: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    const meant = Object.keys(ProxyOptions.properties).find(name => name.toLowerCase() === key.toLowerCase().replace(/s$/, ''))
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

/**
 * Lets `handshake` serve a route's requests for WebSockets, and the handler all others. A plugin that
 * replaces the handler later, as @fastify/websocket does, replaces it for those others alone.
 */
function serveHandshakes (routeOptions: RouteOptions, handshake: RouteHandler, upgrades: Upgrades): void {
  const dispatch = (others: RouteOptions['handler']): RouteOptions['handler'] => function (request, reply) {
    upgrades.prepare(request.raw, reply.raw)
    return asksForWebSocket(request.raw) ? handshake(request, reply) : others.call(this, request, reply)
  }
  let handler = dispatch(routeOptions.handler)
  Object.defineProperty(routeOptions, 'handler', {
    configurable: true,
    enumerable: true,
    get: () => handler,
    // A replacement calls what it has replaced, so each gets a dispatch of its own.
    set: replacement => { handler = dispatch(replacement) }
  })
}

/** Keeps a preParsing hook behind those that other plugins add to the route later. */
function keepLast (routeOptions: RouteOptions, hook: preParsingHookHandler): void {
  const withoutIt = (hooks: RouteOptions['preParsing']) => [hooks ?? []].flat().filter(other => other !== hook)
  let others = withoutIt(routeOptions.preParsing)
  Object.defineProperty(routeOptions, 'preParsing', {
    configurable: true,
    enumerable: true,
    get: () => [...others, hook],
    set: replacement => { others = withoutIt(replacement) }
  })
}

/**
 * Lets the body of a proxied request pass unparsed, whatever its type.
 *
 * Fastify knows parsers for a scope, not for a route, and a scope of its own would miss hooks that are added
 * to this one later. But it asks for the method, right after the preParsing hooks, to decide whether there
 * is anything to parse, and a GET has no body to it. Should another hook ask first, the body is found parsed
 * and the request fails with SLUICE_BODY_CONSUMED.
 */
function leaveBodyUnparsed (request: FastifyRequest, _reply: FastifyReply, payload: RequestPayload, done: (error: null, payload: RequestPayload) => void): void {
  if (hasBody(request.headers)) {
    Object.defineProperty(request, 'method', {
      configurable: true,
      get () {
        delete (request as { method?: string }).method
        return 'GET'
      }
    })
  }
  done(null, payload)
}

/** The gateway as a Fastify plugin. */
export default fastifyPlugin(plugin, { fastify: '5.x', name: 'sluice' })
