import type { IncomingMessage } from 'node:http'
import { Type, type Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'

/**
 * Every option of the gateway, once: types, validation, defaults, JSON Schema and the options reference
 * in docs/ all come from these schemas.
 */

const milliseconds = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, default: value, description: `${description} Milliseconds.` })

const closed = { additionalProperties: false } as const

const targetUrl = Type.String({ minLength: 1, description: 'An origin: http://host:port, https://host:port or unix:/path of a socket.' })

/** A target: one origin, with an optional weight. */
export const TargetOptions = Type.Union([
  targetUrl,
  Type.Object({
    url: targetUrl,
    weight: Type.Optional(Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 1,
      description: 'Share of the traffic, relative to the other targets of the upstream.'
    }))
  }, closed)
], { description: 'A string with the origin, or an object { url, weight }.' })
export type TargetOptions = Static<typeof TargetOptions>

const pem = (description: string) => Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], { description })

/** How the gateway meets the https targets of an upstream. */
export const UpstreamTlsOptions = Type.Object({
  ca: Type.Optional(pem("Certificates of the authorities that may have signed a target's, instead of those of Node: PEM text, or the path of a file of it.")),
  cert: Type.Optional(pem('Certificate that the gateway shows to a target: PEM text, or the path of a file of it.')),
  key: Type.Optional(pem('Private key of that certificate: PEM text, or the path of a file of it.')),
  servername: Type.Optional(Type.String({ minLength: 1, description: "Name that a target's certificate must bear, and that is sent to it (SNI). Default: the host of the target." })),
  rejectUnauthorized: Type.Optional(Type.Boolean({ default: true, description: 'Whether a target whose certificate does not verify is refused. Only ever false for tests: anyone could pose as the target.' }))
}, { ...closed, description: 'TLS towards the targets of an upstream.' })
export type UpstreamTlsOptions = Static<typeof UpstreamTlsOptions>

/** Options of `app.upstream(name, options)` and of `upstreams.<name>` in sluice.yaml. */
export const UpstreamOptions = Type.Object({
  targets: Type.Array(TargetOptions, {
    minItems: 1,
    description: 'The interchangeable targets. Requests and sessions are spread over them by weight.'
  }),
  connectTimeout: Type.Optional(milliseconds(5_000,
    'How long a connection to a target may take to open; then 502.')),
  headersTimeout: Type.Optional(milliseconds(60_000,
    'How long a target may take to send the head of an HTTP response once the request is sent; then 504.')),
  bodyTimeout: Type.Optional(milliseconds(60_000,
    'How long an HTTP body may stand still, in either direction; then the exchange is broken off.')),
  tls: Type.Optional(UpstreamTlsOptions)
}, { ...closed, description: 'A named group of interchangeable targets, with one policy.' })
export type UpstreamOptions = Static<typeof UpstreamOptions>

/** The object form of a route's `websocket` option. */
export const WebSocketOptions = Type.Object({
  handshakeTimeout: Type.Optional(milliseconds(10_000,
    'How long a target may take to answer the handshake once it is connected; then 504.')),
  closeTimeout: Type.Optional(milliseconds(5_000,
    "How long a peer may take to answer the gateway's Close frame before its socket is destroyed."))
}, { ...closed, description: 'Options of WebSocket passthrough.' })
export type WebSocketOptions = Static<typeof WebSocketOptions>

/** Chooses the upstream of a request: a declared name, or the URL of an origin. */
export type UpstreamFunction = (request: FastifyRequest) => string | Promise<string>

/** Gives a header its value, from the one it has; nothing removes it. */
export type HeaderFunction = (value: string | undefined, request: FastifyRequest) => string | null | undefined
/** Gives the path and query that a target is asked for, from those that it would be asked for. */
export type RewriteFunction = (path: string, request: FastifyRequest) => string

const headerFunction = Type.Unsafe<HeaderFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any()))
const headerText = Type.Union([Type.String(), Type.Null()])
const headerName = Type.String()
const headerDescriptions = {
  request: 'Headers of the request to the target, by name: a text sets one, null removes it.',
  response: 'Headers of the answer to the client, a 101 included, by name: a text sets one, null removes it.'
}
const HeaderTexts = Type.Object({
  request: Type.Optional(Type.Record(headerName, headerText, { description: headerDescriptions.request })),
  response: Type.Optional(Type.Record(headerName, headerText, { description: headerDescriptions.response }))
}, { ...closed, description: 'Headers to set and to remove.' })
const HeaderRules = Type.Object({
  request: Type.Optional(Type.Record(headerName, Type.Union([headerText, headerFunction]), {
    description: `${headerDescriptions.request} A function is given its value and the request, and gives the new one.`
  })),
  response: Type.Optional(Type.Record(headerName, Type.Union([headerText, headerFunction]), {
    description: `${headerDescriptions.response} A function is given its value and the request, and gives the new one.`
  }))
}, { ...closed, description: 'Headers to set, to remove and to rewrite.' })
export type HeaderRules = Static<typeof HeaderRules>

const RewritePattern = Type.Object({
  pattern: Type.String({ minLength: 1, description: 'Regular expression for the path, without the query.' }),
  replacement: Type.String({ description: 'What takes the place of what it matches; $1 is its first group.' })
}, { ...closed, description: 'A pattern for the path, after stripPrefix.' })
export type RewritePattern = Static<typeof RewritePattern>

const upstreamName = Type.String({
  minLength: 1,
  description: 'The upstream that serves the route: a declared name, or the URL of an origin.'
})

const routeOptions = {
  stripPrefix: Type.Optional(Type.String({
    pattern: '^/',
    description: 'Leading part of the path that is removed before the request goes to the target, such as /api.'
  })),
  websocket: Type.Optional(Type.Union([Type.Boolean(), WebSocketOptions], {
    default: false,
    description: 'Whether WebSockets pass: true, or an object of options. Without it an upgrade request is ordinary HTTP.'
  }))
}

/** The gateway's own options of `app.proxy(url, options)`; Fastify's route options stand beside them. */
export const ProxyOptions = Type.Object({
  upstream: Type.Union([upstreamName, Type.Unsafe<UpstreamFunction>(Type.Function([Type.Any()], Type.Any()))], {
    description: 'The upstream that serves the route: a declared name, the URL of an origin, or (from code) a function of the request giving either, possibly async.'
  }),
  ...routeOptions,
  rewrite: Type.Optional(Type.Union([RewritePattern, Type.Unsafe<RewriteFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any()))], {
    description: 'Changes the path: a pattern, or (from code) a function of path with query and request that gives both anew.'
  })),
  headers: Type.Optional(HeaderRules)
}, { ...closed, description: 'Options of a proxied route.' })
export type ProxyOptions = Static<typeof ProxyOptions>

/** `config.passthrough` of a route of @fastify/http-proxy: its upgrades go through the gateway. */
export const PassthroughOptions = Type.Object({
  upstream: ProxyOptions.properties.upstream,
  stripPrefix: ProxyOptions.properties.stripPrefix,
  rewrite: ProxyOptions.properties.rewrite,
  headers: ProxyOptions.properties.headers,
  websocket: Type.Optional(Type.Union([Type.Literal(true), WebSocketOptions], { description: 'Options of WebSocket passthrough; true, which it is anyway, for the defaults.' }))
}, { ...closed, description: 'Options of `config.passthrough`.' })
export type PassthroughOptions = Static<typeof PassthroughOptions>

/** A route in sluice.yaml. */
export const RouteConfig = Type.Object({
  url: Type.String({ pattern: '^(/|\\*$)', description: 'URL pattern in the syntax of Fastify: /api/*, /users/:id.' }),
  method: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
    description: 'HTTP method or methods; all of them by default.'
  })),
  upstream: upstreamName,
  ...routeOptions,
  rewrite: Type.Optional(RewritePattern),
  headers: Type.Optional(HeaderTexts)
}, { ...closed, description: 'A proxied route.' })
export type RouteConfig = Static<typeof RouteConfig>

/** Options of the plugin: `app.register(sluice, options)`. */
export const GatewayOptions = Type.Object({
  ignoreUpgrade: Type.Optional(Type.Unsafe<(request: IncomingMessage) => boolean>(Type.Function([Type.Any()], Type.Any(), {
    description: "From code: upgrade requests that belong to another 'upgrade' listener of the server. One that answers at once, as socket.io and ws do, is noticed without it."
  }))),
  drainTimeout: Type.Optional(milliseconds(30_000,
    'How long app.close() may wait for open sessions and for answers under way to end; what is left is destroyed.'))
}, { ...closed, description: 'Options of the plugin.' })
export type GatewayOptions = Static<typeof GatewayOptions>

/** The levels of pino. */
export const LogLevel = Type.Union([
  Type.Literal('fatal'), Type.Literal('error'), Type.Literal('warn'), Type.Literal('info'),
  Type.Literal('debug'), Type.Literal('trace'), Type.Literal('silent')
], { default: 'info', description: 'The least level that is logged.' })
export type LogLevel = Static<typeof LogLevel>

/** The configuration of the service: sluice.yaml, or the object given to createGateway(). */
export const GatewayConfig = Type.Object({
  listen: Type.Optional(Type.Object({
    host: Type.Optional(Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on.' })),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: 8080, description: 'Port to listen on; 0 takes a free one.' }))
  }, { ...closed, description: 'Where the gateway listens.' })),
  logLevel: Type.Optional(LogLevel),
  drainTimeout: GatewayOptions.properties.drainTimeout,
  trustProxy: Type.Optional(Type.Union([Type.Boolean(), Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    default: false,
    description: 'Which proxies in front of the gateway are believed what X-Forwarded-* says: true for any, or addresses and networks such as 10.0.0.0/8.'
  })),
  upstreams: Type.Optional(Type.Record(Type.String({ minLength: 1 }), UpstreamOptions, {
    description: 'The upstreams by name.'
  })),
  routes: Type.Optional(Type.Array(RouteConfig, { description: 'The proxied routes.' }))
}, { ...closed, description: 'The configuration of the service.' })
export type GatewayConfig = Static<typeof GatewayConfig>
