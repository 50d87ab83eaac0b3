import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { RequestInvalidError, RouteInvalidError } from './errors.js'
import { GatewayState, MEMBERSHIP, type Gateway, type Membership } from './gateway.js'
import type { ClosingPart } from './listener/closing.js'
import { Listener } from './listener/listener.js'
import { isHost } from './message/host.js'
import { asksForWebSocket } from './message/upgrade-request.js'
import { requestTarget } from './message/request-target.js'
import { withDefaults } from './options/defaults.js'
import { GatewayOptions, PassthroughOptions, type MessageFunction, type UpstreamOptions } from './options/index.js'
import { validated } from './options/validate.js'
import { EXCHANGE, hasExchange } from './proxy/exchange.js'
import { CompiledRoutes } from './routing/compile-route.js'
import { addConstraints } from './routing/constraints.js'
import { addMessageHook } from './routing/message-hooks.js'
import { watchOptIns } from './routing/opt-in.js'
import { finishProxiedRoute, registerProxiedRoute, type ProxyRouteOptions, type RouteServing } from './routing/proxied-route.js'
import { RouteTable } from './routing/route-table.js'
import type { RouteStatus } from './types.js'
import { UpstreamRegistry } from './upstreams/registry.js'
import { passThrough } from './websocket/handshake/passthrough.js'
import type { MessageSide } from './websocket/route.js'

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
    /**
     * Adds a hook for messages to this scope: to all its routes that pass WebSockets, and those of the scopes within it,
     * registered before or after. It comes before those of a route's own `messages`, whose limits hold for it, too.
     *
     * @param side Whose messages it looks at.
     * @throws SLUICE_OPTIONS_INVALID
     */
    addMessageHook (side: MessageSide, hook: MessageFunction): this
  }
  interface FastifyContextConfig {
    /** On a route of @fastify/http-proxy: its WebSocket handshakes go through the gateway. */
    passthrough?: PassthroughOptions
  }
}

const plugin: FastifyPluginAsync<GatewayOptions> = async (app, givenOptions) => {
  const options = withDefaults(GatewayOptions, validated(GatewayOptions, givenOptions, 'The options of sluice'), ['drainTimeout', 'drainCode'])
  const membership = (app as { [MEMBERSHIP]?: Membership })[MEMBERSHIP]
  const state = membership?.state ?? new GatewayState({ ...options, accessLog: options.accessLog ?? app.initialConfig.disableRequestLogging === true })
  if (options.tracing !== undefined && options.tracing !== false) await state.loadTracing()
  const { sessions } = state

  const paths = RouteTable.of(app.server)
  // Fastify's types have the older places of these options alone.
  paths.configure({ ...app.initialConfig, ...app.initialConfig.routerOptions })
  const checkReadings = (request: FastifyRequest): void => {
    paths.check(request.method, requestTarget(request.raw), () => request.routeOptions.url!)
  }
  addConstraints(app)
  const listener = Listener.of(app)
  const { upgrades } = listener
  if (options.ignoreUpgrade !== undefined) upgrades.ignore(options.ignoreUpgrade)

  const registry = new UpstreamRegistry(state.endpoints)
  const routes = new CompiledRoutes(registry, options, state, checkReadings)
  const routeList: RouteStatus[] = []
  const serving: RouteServing = {
    routes,
    onRoute: status => routeList.push(status),
    onResponse: (route, request, reply) => {
      // One that reached its handler is counted as an exchange.
      if (hasExchange(request)) return
      state.counters.countHookResponse(route, request.method, reply.statusCode, asksForWebSocket(request.raw), reply.elapsedTime)
    },
    prepareResponse: (request, reply) => upgrades.prepare(request.raw, reply.raw),
    passUpgrades: route => ({
      strict: route.websocket.strict,
      serve: (request, reply) => passThrough(request, reply, route, { upgrades, sessions, upstreamOf: state.upstreamOf })
    })
  }
  const scopes = membership?.scopes ?? []
  scopes.push({
    serves: session => routes.serves(session),
    upstreamOf: session => routes.upstreamOf(session),
    begin: () => {
      registry.serve()
      routes.begin()
    },
    retire: () => registry.retire()
  })
  if (membership === undefined) state.adopt(scopes, options, app.log)
  // What a plugin of this app has asked for ends with it: the state may outlive it.
  const stops = new Set<() => void>()
  const endingWithApp = (stop: () => void): () => void => {
    stops.add(stop)
    return () => {
      stops.delete(stop)
      stop()
    }
  }

  app.decorate('gateway', {
    sessions,
    upstreams: {
      ...registry.controls(state.controlHost),
      onChange: listener => endingWithApp(state.onTargetChange(listener))
    },
    routes: { list: () => routeList },
    counters: state.counters,
    observe: observer => endingWithApp(state.observe(observer)),
    drain: drainOptions => sessions.drain(drainOptions)
  })
  app.decorate('upstream', function (this: FastifyInstance, name: string, upstreamOptions: UpstreamOptions) {
    registry.declare(name, upstreamOptions)
    return this
  })
  app.decorate('proxy', function (this: FastifyInstance, urls: string | readonly string[], given: ProxyRouteOptions) {
    const all = Array.isArray(urls) ? urls as readonly string[] : [urls as string]
    if (all.length === 0) throw new RouteInvalidError('[]', 'app.proxy() needs at least one URL pattern.')
    for (const url of all) registerProxiedRoute(this, url, given, serving)
    return this
  })
  app.decorate('addMessageHook', function (this: FastifyInstance, side: MessageSide, hook: MessageFunction) {
    addMessageHook(this, side, hook)
    return this
  })
  if (!app.hasRequestDecorator(EXCHANGE)) app.decorateRequest(EXCHANGE, null)

  app.addHook('onRoute', routeOptions => {
    if (finishProxiedRoute(routeOptions)) paths.addProxied(routeOptions.url)
  })
  watchOptIns(app, route => {
    const checked = validated(PassthroughOptions, route.options, `config.passthrough of route '${route.url}'`)
    route.handshake = serving.passUpgrades(routes.compile(route.url, checked, true, route.scope))
    const { upstream } = checked
    routeList.push({ url: route.url, methods: undefined, constraints: undefined, upstream: typeof upstream === 'string' ? upstream : undefined, websocket: true })
  })

  // Ahead of the hooks that make something of it (RFC 9112 §3.2). The router has, but this request goes no further.
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    done(isHost(raw.headers.host) ? undefined : new RequestInvalidError('Host is not a valid host and port'))
  })

  // An upgrade that no route knows may belong to a neighbour that responds late, after an async check of its own.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404 || !upgrades.leave(request.raw, reply.raw)) return done()
    reply.hijack()
  })

  app.addHook('onReady', async () => {
    routes.complete()
    await registry.discovered()
    if (membership?.serving !== false) registry.serve()
    if (state.tracing.isIdle) app.log.warn('tracing is on, and no SDK of OpenTelemetry is registered, so no span is made. Register one before the gateway starts (docs/tracing.md).')
    const { withoutSecret } = registry
    if (withoutSecret.length > 0) app.log.info({ upstreams: withoutSecret }, "These upstreams are sticky without a secret: one was made, so cookies are good until the gateway stops, and for no other gateway. Set 'sticky.secret' to change that.")
  })
  const { drainTimeout } = options
  const part: ClosingPart = {
    timeout: drainTimeout,
    drain: () => {
      upgrades.close()
      return sessions.drain({ timeout: drainTimeout, spread: options.drainSpread ?? 0, code: options.drainCode })
    },
    abort: () => state.close()
  }
  listener.add(part)
  // One generation of several ends without its sessions, behind its last exchange.
  app.addHook('preClose', async () => { if (membership?.serving !== false) await listener.close() })
  app.addHook('onClose', async () => {
    await listener.closed(part)
    for (const stop of stops) stop()
    registry.release()
    if (membership === undefined) state.close()
  })
}

/** The gateway as a Fastify plugin. */
export default fastifyPlugin(plugin, { fastify: '^5.5.0', name: 'sluice' })
