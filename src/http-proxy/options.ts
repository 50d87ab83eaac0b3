import type { FastifyInstance, FastifyRequest, preHandlerHookHandler } from 'fastify'
import { OptionsInvalidError, UpstreamSelectionError } from '../errors.js'
import { PassthroughOptions, WebSocketOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import { clientSide, type ClientSide } from './client-options.js'
import { locationRule, requestRules } from './headers.js'
import { sessionHooks } from './hooks.js'
import { reconnectOptions, type ReconnectingOptions } from './reconnect.js'
import { serverSide, type ServerSide } from './server-options.js'
import { placeOf, rewriteOf, rewritePrefixOf, type Place } from './target.js'
import { SAID_ELSEWHERE, type FromParameters, type HttpProxyOptions, type HttpProxyPassthroughOptions, type OriginalOptions } from './types.js'

/** A registration with `websocket: true`, taken apart. */
export interface Division {
  /** For @fastify/http-proxy, which serves the requests. */
  http: OriginalOptions
  /** Declares what the handshakes need, in a scope that has a gateway. */
  passthroughIn (scope: FastifyInstance, fromParameters: () => FromParameters): PassthroughOptions
}

/** What @fastify/http-proxy takes in fact; its types know less. */
interface GivenOptions {
  upstream?: string
  wsUpstream?: string
  httpMethods?: string[]
  wsHooks?: unknown
  wsReconnect?: unknown
  preHandler?: preHandlerHookHandler | preHandlerHookHandler[]
  beforeHandler?: preHandlerHookHandler | preHandlerHookHandler[]
  config?: { passthrough?: unknown }
  internalRewriteLocationHeader?: boolean
  replyOptions?: { getUpstream? (request: FastifyRequest, base: string): string }
}

/**
 * Divides the options between @fastify/http-proxy and the gateway.
 *
 * @param prefix That of the scope.
 * @throws {OptionsInvalidError | TargetMalformedError} naming what cannot be honoured, and the fix.
 */
export function divide (options: HttpProxyOptions, { prefix, log }: FastifyInstance): Division {
  const where = `@fastify/http-proxy of 'sluice/http-proxy' at '${prefix || '/'}'`
  const given = options as unknown as GivenOptions
  const { upstream = '', wsUpstream = '', replyOptions: { getUpstream } = {} } = given
  checkAsAWhole(given, where)
  const { host, ...own } = passthroughOptions(options.passthrough, where)
  const client = clientSide(options.wsClientOptions, where)
  const server = serverSide(options.wsServerOptions, where, own.strict ?? true)
  const limits = limitsOf(client, server)
  const reconnect = reconnectOptions(given.wsReconnect, log, where)
  const hooks = sessionHooks(given.wsHooks, log, where, joined(reconnect, own), longestPayload(client, server))
  const fixed = wsUpstream || upstream ? placeOf(wsUpstream || upstream) : undefined
  const chosen = new WeakMap<FastifyRequest, Place>()
  const websocket = { ...limits, ...joined(reconnect, own), ...hooks }
  const { preHandler = given.beforeHandler } = given
  const noUpstream = (): never => { throw new UpstreamSelectionError({ cause: new TypeError(`${where}: there is 'wsUpstream' for WebSockets, and no 'upstream' for this request`) }) }
  return {
    http: {
      ...without(options, ['passthrough', 'wsHooks', 'wsReconnect', 'wsServerOptions', 'wsClientOptions']),
      // Neither its listener for upgrades nor its WebSocketServer is installed.
      websocket: false,
      ...upstream === '' && { upstream, replyOptions: { ...options.replyOptions, getUpstream: getUpstream ?? noUpstream } },
      ...server.check !== undefined && { preHandler: [...[preHandler ?? []].flat(), server.check] }
      // Their types know of one preHandler hook; Fastify takes several.
    } as unknown as OriginalOptions,
    passthroughIn: (scope, fromParameters) => {
      const rewritePrefix = rewritePrefixOf(prefix, options)
      const choose = (request: FastifyRequest): Place => {
        const place = chosen.get(request) ?? placeOf(getUpstream!(request, ''))
        chosen.set(request, place)
        return place
      }
      return {
        upstream: fixed === undefined
          ? request => ({ url: choose(request).url, ...client.tls !== undefined && { tls: client.tls } })
          : declared(scope, fixed, client),
        host: host ?? 'target',
        rewrite: rewriteOf({ prefix, rewritePrefix, queryString: client.queryString, fromParameters }),
        headers: {
          request: requestRules(client, request => fixed ?? choose(request)),
          ...given.internalRewriteLocationHeader !== false && { response: { Location: locationRule(prefix, rewritePrefix) } }
        },
        websocket
      }
    }
  }
}

function without (options: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)))
}

function checkAsAWhole ({ upstream, wsUpstream, httpMethods, replyOptions, config }: GivenOptions, where: string): void {
  const fail = (text: string): never => { throw new OptionsInvalidError(where, text) }
  for (const [name, value] of Object.entries({ upstream, wsUpstream })) {
    if (value !== undefined && typeof value !== 'string') fail(`option '${name}' must be the URL of a target`)
  }
  if (!upstream && !wsUpstream && typeof replyOptions?.getUpstream !== 'function') fail("it is not said where to send WebSockets. Give 'upstream', 'wsUpstream' or 'replyOptions.getUpstream'.")
  if (httpMethods !== undefined && !httpMethods.some(method => method.toUpperCase() === 'GET')) fail("a WebSocket handshake is a GET. Add GET to 'httpMethods', or leave 'websocket' out.")
  if (config?.passthrough !== undefined) fail("with 'websocket: true', option 'config.passthrough' is made of the other options. Remove it, and write options of the gateway's into 'passthrough'.")
}

/** @throws {OptionsInvalidError} for what no option is, and what has a name in @fastify/http-proxy. */
function passthroughOptions (given: unknown, where: string): HttpProxyPassthroughOptions {
  if (given === undefined) return {}
  const place = `${where}: option 'passthrough'`
  if (typeof given !== 'object' || given === null) throw new OptionsInvalidError(place, 'it must be an object')
  for (const [name, instead] of Object.entries(SAID_ELSEWHERE)) {
    if (name in given) throw new OptionsInvalidError(place, `option '${name}': write ${instead}, which says the same`)
  }
  const { host, ...websocket } = given as HttpProxyPassthroughOptions
  if (host !== undefined) validated(PassthroughOptions, { upstream: '-', host }, place)
  validated(WebSocketOptions, websocket, place, ['host'])
  return given
}

/** What both sides say of limits and of compression. */
function limitsOf (client: ClientSide, server: ServerSide): WebSocketOptions {
  const closeTimeout = Math.max(client.limits.closeTimeout ?? 0, Number(server.closeTimeout ?? 0))
  const sizes = { ...server.maxPayload !== undefined && { fromClient: server.maxPayload }, ...client.maxPayload !== undefined && { fromTarget: client.maxPayload } }
  return {
    ...client.limits,
    ...closeTimeout > 0 && { closeTimeout },
    ...(client.compression === false || server.compression === false) && { compression: 'off' },
    ...Object.keys(sizes).length > 0 && { maxMessageSize: sizes }
  }
}

/** Options of `passthrough` go before those of `wsReconnect`, but for the end of a session, which both hear. */
function joined (reconnect: ReconnectingOptions, own: WebSocketOptions): WebSocketOptions {
  return {
    ...reconnect,
    ...own,
    ...reconnect.onSessionEnd !== undefined && {
      onSessionEnd: (session, end) => {
        reconnect.onSessionEnd!(session, end)
        return own.onSessionEnd?.(session, end)
      }
    }
  }
}

/** The longest message of either side; undefined where one has the limit of ws. */
function longestPayload ({ maxPayload: fromTarget }: ClientSide, { maxPayload: fromClient }: ServerSide): number | undefined {
  return fromTarget === undefined || fromClient === undefined ? undefined : Math.max(fromTarget, fromClient)
}

/** The upstream at a fixed place: its URL, or where it has TLS options a declared one. */
function declared (scope: FastifyInstance, { url }: Place, { tls }: ClientSide): string {
  if (tls === undefined || !url.startsWith('https:')) return url
  const { upstreams } = scope.gateway
  // A name that looked like a URL would be one.
  const name = `${url.replace('https://', '')} of ${scope.prefix || '/'}`
  let free = name
  // Several may be at one prefix, with constraints.
  for (let count = 2; upstreams.get(free) !== undefined; count++) free = `${name} (${count})`
  scope.upstream(free, { targets: [url], tls })
  return free
}
