import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, onResponseHookHandler, RouteOptions, RouteShorthandOptions } from 'fastify'
import { RouteInvalidError } from '../errors.js'
import { proxyRequest } from '../http/proxy.js'
import { ProxyOptions, type PassthroughOptions } from '../options/index.js'
import { FASTIFY_ROUTE_OPTIONS, isMistake } from '../options/unknown-names.js'
import { checkObject, show, validated } from '../options/validate.js'
import type { RouteStatus } from '../types.js'
import type { CompiledRoutes } from './compile-route.js'
import { constraintsFor, constraintsKey, constraintsText, type GivenConstraints } from './constraints.js'
import { isHandshake } from '../message/upgrade-request.js'
import { keepLast, leaveBodyUnparsed, serveHandshakes, type HandshakeHandler, type RouteHandler } from './route.js'
import type { PassthroughRoute } from '../websocket/route.js'

/** Options of `app.proxy(url, options)`: the gateway's own, and Fastify's route options less those of a body that is not parsed. */
export type ProxyRouteOptions = ProxyOptions &
  Omit<RouteShorthandOptions, 'schema' | 'handler' | 'constraints' | keyof ProxyOptions> & {
    /**
     * What a request must have beside its URL to be one of the route: `host`, as in app.example.com or *.example.com, or
     * several, whatever the port and the case; `headers` by name; and those of Fastify and of other plugins, such as
     * `version`. A RegExp, and a host with a port, are compared as Fastify does. Default: nothing.
     */
    constraints?: GivenConstraints
    /** HTTP method or methods. Default: all that the app supports. */
    method?: RouteOptions['method']
    /** Schemas for what the gateway reads. A body is streamed, and so cannot be validated. */
    schema?: Pick<NonNullable<RouteShorthandOptions['schema']>, 'querystring' | 'headers' | 'params'>
  }

/** How the requests of proxied routes are served. */
export interface RouteServing {
  routes: CompiledRoutes
  /** Makes the response of a request that has asked for an upgrade, and is served as a plain one, work. */
  prepareResponse (request: FastifyRequest, reply: FastifyReply): void
  /** Serves the handshakes of a route. */
  passUpgrades (route: PassthroughRoute): HandshakeHandler
  /** A route has been registered. */
  onRoute (status: RouteStatus): void
  /** A request of a route has been responded to, by its handler or by a hook before it. */
  onResponse (route: string, request: FastifyRequest, reply: FastifyReply): void
}

/** Under this key, a proxied route's config holds what serves its requests for WebSockets. */
const HANDSHAKE = Symbol('sluice.handshake')

/**
 * Registers a proxied route with Fastify.
 *
 * @throws {OptionsInvalidError | RouteInvalidError | TargetMalformedError}
 */
export function registerProxiedRoute (scope: FastifyInstance, path: string, given: ProxyRouteOptions = {} as never, { routes, prepareResponse, passUpgrades, onRoute, onResponse: onRouteResponse }: RouteServing): void {
  checkPath(path)
  const url = `${scope.prefix}${path}`
  checkRoute(url, given)
  const constraints = constraintsFor(scope, given.constraints ?? {}, `route '${url}'`)
  const {
    upstream, stripPrefix, host, rewrite, headers, rewriteLocation, rewriteCookies, websocket, bodyLimit,
    method = methodsFor(scope, url, constraints), config, preParsing = [], onResponse = [], constraints: _given, ...fastifyOptions
  } = given
  const passes = websocket !== undefined && websocket !== false
  const options = defined<PassthroughOptions>({ upstream, stripPrefix, host, rewrite, headers, rewriteLocation, rewriteCookies, websocket: passes ? websocket : undefined })
  const route = { ...routes.compile(url, options, passes, scope, `${url} ${constraintsKey(given.constraints)}`.trim()), bodyLimit: bodyLimit ?? Infinity }
  const serve: RouteHandler = (request, reply) => {
    prepareResponse(request, reply)
    proxyRequest(request, reply, route)
  }
  const handshake = passes ? passUpgrades(route) : { strict: true, serve: websocket === false ? serve : warnOfHandshakes(url, serve) }
  const noteResponse: onResponseHookHandler = (request, reply, done) => {
    onRouteResponse(url, request, reply)
    done()
  }
  register(scope, {
    ...fastifyOptions,
    ...Object.keys(constraints).length > 0 && { constraints },
    ...bodyLimit !== undefined && { bodyLimit },
    method,
    url: path,
    config: { ...config, [HANDSHAKE]: handshake } as FastifyContextConfig,
    preParsing: [...[preParsing].flat(), leaveBodyUnparsed],
    onResponse: [...[onResponse].flat(), noteResponse],
    handler: serve
  })
  onRoute({
    url,
    methods: given.method === undefined ? undefined : [given.method].flat(),
    constraints: constraintsText(given.constraints),
    upstream: typeof upstream === 'string' ? upstream : undefined,
    websocket: passes
  })
}

/**
 * @throws {RouteInvalidError} where there is such a route already. Fastify's message would list all methods, since all of
 * them are those of a route by default.
 */
function register (scope: FastifyInstance, options: RouteOptions): void {
  try {
    scope.route(options)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'FST_ERR_DUPLICATED_ROUTE') throw error
    const names = options.url.includes(':') ? ' Names of parameters do not tell routes apart.' : ''
    throw new RouteInvalidError(`${scope.prefix}${options.url}`, `there is a route with this URL and these constraints for the same method already.${names} Give them different methods or constraints, or remove one.`, { cause: error })
  }
}

/**
 * Says once that WebSocket handshakes come to a route that does not pass them: the target gets plain requests and refuses
 * them (426, or 400), which tells nobody why. They are served as before.
 */
function warnOfHandshakes (url: string, serve: RouteHandler): RouteHandler {
  let warned = false
  return (request, reply) => {
    if (!warned && isHandshake(request.raw)) {
      warned = true
      request.log.warn({ route: url }, `A WebSocket handshake came to route '${url}', which does not pass WebSockets, so the target gets it as plain HTTP. Set 'websocket: true' on the route to pass them, or 'websocket: false' to be told no more. Logged once for each route.`)
    }
    return serve(request, reply)
  }
}

/** Has each proxied route serve its handshakes, whatever plugins make of its handler, and keep its body unparsed. */
export function finishProxiedRoute (routeOptions: RouteOptions): boolean {
  const handshake = (routeOptions.config as { [HANDSHAKE]?: HandshakeHandler } | undefined)?.[HANDSHAKE]
  if (handshake === undefined) return false
  serveHandshakes(routeOptions, () => handshake)
  keepLast(routeOptions, leaveBodyUnparsed)
  return true
}

/**
 * All methods, but for OPTIONS where it has a route of its own: @fastify/cors declares one for every path, so
 * that its hook gets to see the preflights.
 */
function methodsFor (app: FastifyInstance, url: string, constraints: Record<string, unknown>): string[] {
  // The router knows '*' under this name alone.
  const hasOptions = app.hasRoute({ method: 'OPTIONS', url: url === '*' ? '/*' : url, constraints })
  return app.supportedMethods.filter(method => method !== 'OPTIONS' || !hasOptions)
}

/** @throws {RouteInvalidError} for what is not the URL pattern of a route. */
function checkPath (path: unknown): void {
  if (typeof path !== 'string') throw new RouteInvalidError(show(path), "the first argument of app.proxy() must be a URL pattern, or an array of them, and the second its options: app.proxy('/api/*', { upstream: 'app' }).")
  // Fastify takes none for the prefix of the scope itself.
  if (path !== '' && !/^(\/|\*$)/.test(path)) throw new RouteInvalidError(path, `a URL pattern must begin with /, or be *. Did you mean '/${path}'?`)
}

/** @throws {OptionsInvalidError | RouteInvalidError} for options that cannot be meant. */
function checkRoute (url: string, given: ProxyRouteOptions): void {
  const where = `Route '${url}'`
  checkObject(given, where, "{ upstream: 'http://127.0.0.1:5173' }")
  const own: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (key in ProxyOptions.properties ? value !== undefined : isMistake(key)) own[key] = value
  }
  const { stripPrefix, websocket } = validated(ProxyOptions, own, where, FASTIFY_ROUTE_OPTIONS)
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
