import type { TSchema } from '@sinclair/typebox'
import { GatewayConfig, ListenOptions } from './config.js'
import { isAlike, nearest } from './did-you-mean.js'
import { GatewayOptions } from './gateway.js'
import { MessageRules } from './message-rules.js'
import { ProxyOptions, RouteConfig } from './route.js'
import { UpstreamOptions } from './upstream.js'
import { WebSocketOptions } from './websocket.js'

/*
 * What is said of an option that does not exist: by whom it may have been learned, and where ours is.
 */

interface Place { words: string, names: ReadonlySet<string> }

const namesOf = (...schemas: Array<{ properties: Record<string, TSchema> }>): ReadonlySet<string> =>
  new Set(schemas.flatMap(({ properties }) => Object.keys(properties)))

/** Where each of our options lies. */
const ROUTE: Place = { words: 'of a route', names: namesOf(ProxyOptions, RouteConfig) }
const UPSTREAM: Place = { words: "of an upstream (under 'upstreams', or in app.upstream())", names: namesOf(UpstreamOptions) }
const WEBSOCKET: Place = { words: "of 'websocket' of a route", names: namesOf(WebSocketOptions) }
const PLACES: readonly Place[] = [
  ROUTE, UPSTREAM, WEBSOCKET,
  { words: "of 'fromClient' and 'fromTarget' under 'messages' in 'websocket' of a route", names: namesOf(MessageRules) },
  { words: "of 'listen'", names: namesOf(ListenOptions) },
  { words: 'of the gateway as a whole', names: namesOf(GatewayConfig, GatewayOptions) }
]

const target = "the URL of a target is 'upstream' of a route, or stands in 'targets' of an upstream"
const timeouts = "an upstream has 'connectTimeout', 'headersTimeout' and 'bodyTimeout', and 'websocket' of a route has 'handshakeTimeout' and 'idleTimeout'"
const prefix = "'stripPrefix' of a route removes the beginning of a path, 'rewrite' changes a path, and a path in the URL of a target is put before it"
const requestHeaders = 'write headers: { request: { name: text } }, in which null removes a header; X-Forwarded-* are set anyway'
const responseHeaders = 'write headers: { response: { name: text } }, in which null removes a header'
const tls = "an upstream has 'tls' with 'ca', 'cert', 'key', 'servername' and 'rejectUnauthorized'"
const retries = "an upstream has 'retries', 'retryBudget' and 'attemptTimeout'"
const upgrade = 'write websocket: true on the route; the gateway sets Upgrade and Connection itself'
const streams = 'leave it out: bodies are streamed in both directions'
const connections = "an upstream has 'maxConnections'; connections are kept alive anyway"
const fail = "an upstream has 'passiveHealth' with 'failures' and 'ejectFor'"
const client = "'listen' has the limits for clients: 'headersTimeout', 'requestTimeout', 'minBodyRate' and 'keepAliveTimeout'"

/** Options of other proxies, and what stands for them here. Names that Fastify or usual plugins of it give to routes are not among them. */
const FOREIGN: Readonly<Record<string, string>> = {
  // http-proxy, http-proxy-middleware and Vite
  target,
  forward: "a copy of requests is not sent elsewhere; name one 'upstream'",
  router: "'upstream' can be a function of the request (from code), and routes have 'constraints' by host and header",
  ws: 'write websocket: true',
  changeOrigin: "write host: 'target'",
  hostRewrite: 'write rewriteLocation: true',
  autoRewrite: 'write rewriteLocation: true',
  protocolRewrite: 'write rewriteLocation: true',
  cookieDomainRewrite: 'write rewriteCookies: { domain: text }',
  cookiePathRewrite: 'write rewriteCookies: { path: text }',
  pathRewrite: prefix,
  prependPath: prefix,
  ignorePath: "'rewrite' changes a path",
  secure: 'an upstream has tls: { rejectUnauthorized }',
  ssl: tls,
  xfwd: "leave it out: X-Forwarded-* are set anyway; 'trustProxy' says whose are believed",
  toProxy: 'leave it out: the path is sent as it came',
  timeout: timeouts,
  proxyTimeout: timeouts,
  followRedirects: "redirects are relayed, not followed; 'rewriteLocation' makes them suit the client",
  selfHandleResponse: "Fastify's hooks (onSend) change responses",
  proxyReq: requestHeaders,
  onProxyReq: requestHeaders,
  onProxyRes: responseHeaders,
  onProxyReqWs: requestHeaders,
  // @fastify/http-proxy and @fastify/reply-from
  base: target,
  prefix: "the URL of the route has it: '/api/*'",
  rewritePrefix: prefix,
  wsUpstream: 'write websocket: { upstream }',
  wsClientOptions: "'websocket' of a route has options of its own, 'headers' sets headers of handshakes too, and an upstream has 'tls'",
  wsServerOptions: "'websocket' of a route has options of its own",
  wsHooks: "'websocket' of a route has 'onSession' and 'onSessionEnd'",
  wsReconnect: 'a session is not moved to another connection; clients come back when it ends',
  upgradeTimeout: 'write websocket: { handshakeTimeout }',
  replyOptions: "'headers', 'rewrite' and 'upstream' stand directly in the options of the route",
  rewriteHeaders: responseHeaders,
  rewriteRequestHeaders: requestHeaders,
  getUpstream: "'upstream' can be a function of the request",
  proxyPayloads: streams,
  httpMethods: "write 'method'",
  internalRewriteLocationHeader: "write 'rewriteLocation'",
  undici: connections,
  disableRequestLogging: "write 'accessLog', an option of the gateway as a whole",
  retriesCount: retries,
  retryMethods: retries,
  retryDelay: retries,
  retryOn503: retries,
  maxRetriesOn503: retries,
  // nginx
  location: "a route has 'url': '/api/*'",
  server_name: 'a route has constraints: { host }',
  proxy_pass: target,
  proxy_http_version: upgrade,
  proxy_set_header: requestHeaders,
  proxy_hide_header: responseHeaders,
  add_header: responseHeaders,
  proxy_redirect: "write 'rewriteLocation'",
  proxy_cookie_domain: 'write rewriteCookies: { domain: text }',
  proxy_cookie_path: 'write rewriteCookies: { path: text }',
  proxy_buffering: streams,
  proxy_request_buffering: streams,
  proxy_connect_timeout: "an upstream has 'connectTimeout'",
  proxy_read_timeout: timeouts,
  proxy_send_timeout: timeouts,
  proxy_next_upstream: retries,
  proxy_next_upstream_tries: retries,
  proxy_ssl_verify: 'an upstream has tls: { rejectUnauthorized }',
  proxy_ssl_name: 'an upstream has tls: { servername }',
  proxy_ssl_server_name: 'leave it out: the name is always sent',
  proxy_ssl_certificate: 'an upstream has tls: { cert, key }',
  proxy_ssl_certificate_key: 'an upstream has tls: { cert, key }',
  proxy_ssl_trusted_certificate: 'an upstream has tls: { ca }',
  ssl_certificate: "'listen' has tls: { cert, key }",
  ssl_certificate_key: "'listen' has tls: { cert, key }",
  client_max_body_size: "a route has 'bodyLimit'",
  client_header_timeout: client,
  client_body_timeout: client,
  keepalive_timeout: client,
  keepalive: connections,
  least_conn: "an upstream has balance: 'least-load'",
  ip_hash: "an upstream has balance: { hash: 'address' }",
  max_conns: connections,
  max_fails: fail,
  fail_timeout: fail,
  backup: "a target has 'priority': those with a higher number are spares",
  worker_connections: "'listen' has 'maxConnections'"
}

/**
 * Options that routes of Fastify 5 have. `url`, `handler` and `path` are none of a proxied route: the first argument of
 * app.proxy() and the gateway are in their place.
 */
export const FASTIFY_ROUTE_OPTIONS: readonly string[] = [
  'method', 'schema', 'config', 'constraints', 'version', 'bodyLimit', 'handlerTimeout', 'logLevel', 'logSerializers',
  'attachValidation', 'validatorCompiler', 'serializerCompiler', 'schemaErrorFormatter', 'errorHandler',
  'childLoggerFactory', 'exposeHeadRoute', 'prefixTrailingSlash',
  'onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onTimeout', 'onError', 'onRequestAbort'
]

/** What stands in the place of options of Fastify that a proxied route cannot have. */
const OF_THE_GATEWAY: Readonly<Record<string, string>> = {
  url: 'the URL is the first argument of app.proxy()',
  path: "the URL is 'url' in a file, and the first argument of app.proxy()",
  handler: 'the gateway serves the route; hooks such as preHandler come before it'
}

/**
 * What would be right in the place of an option that does not exist; undefined where nothing like it is known.
 *
 * @param known The options that there are in its place.
 */
export function correction (name: string, known: readonly string[]): string | undefined {
  const same = known.find(other => isAlike(name, other))
  if (same !== undefined) return `did you mean '${same}'?`
  if (Object.hasOwn(OF_THE_GATEWAY, name) && known.includes('stripPrefix')) return OF_THE_GATEWAY[name]
  const places = PLACES.filter(({ names }) => names.has(name))
  if (places.length > 0) return `it is an option ${places.map(({ words }) => words).join(', or ')}`
  if (Object.hasOwn(FOREIGN, name)) return FOREIGN[name]
  const suggestion = nearest(name, known)
  return suggestion === undefined ? undefined : `did you mean '${suggestion}'?`
}

/**
 * Whether an option of app.proxy() that is neither ours nor Fastify's is a mistake. Plugins read options of their own
 * from routes, so only those are that are nearly ours or Fastify's, lie elsewhere, or belong to another proxy.
 */
export function isMistake (name: string): boolean {
  if (FASTIFY_ROUTE_OPTIONS.includes(name)) return false
  return Object.hasOwn(OF_THE_GATEWAY, name) || Object.hasOwn(FOREIGN, name) ||
    UPSTREAM.names.has(name) || WEBSOCKET.names.has(name) ||
    [...OURS, ...FASTIFY_ROUTE_OPTIONS].some(other => isAlike(name, other)) ||
    // Short words are soon like others.
    (name.length > 4 && nearest(name, OURS) !== undefined)
}

const OURS = Object.keys(ProxyOptions.properties)
