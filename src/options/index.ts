import type { IncomingMessage } from 'node:http'
import { Type, type Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { SessionEnd, WebSocketSession } from '../types.js'

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
  retries: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: 10,
    default: 1,
    description: 'How often a request or a handshake is sent again, to another target if there is one, when its connection broke before a response: only a request that is idempotent and has no body. A connection that could not be made is no such case: then every other target is tried once, whatever the request. A response, such as 503, is relayed and never retried.'
  })),
  maxHeaderSize: Type.Optional(Type.Integer({
    minimum: 1024,
    maximum: 16 * 1024 * 1024,
    default: 65_536,
    description: 'How long the head of a response may be, that to a handshake included; the interim responses before it, together; and its trailers; then 502 SLUICE_TARGET_HEADERS_TOO_LARGE. Bytes.'
  })),
  maxConnections: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Connections to each target for requests; WebSocket sessions have their own and do not count. A further request waits for one. Default: no limit.'
  })),
  maxQueue: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 1_000,
    description: 'Requests that may wait for a connection to a target that has maxConnections; a further one goes to another target or gets 503 SLUICE_TARGET_BUSY.'
  })),
  queueTimeout: Type.Optional(milliseconds(10_000,
    'How long a request may wait for a connection to a target that has maxConnections; then 503 SLUICE_TARGET_BUSY.')),
  tls: Type.Optional(UpstreamTlsOptions)
}, { ...closed, description: 'A named group of interchangeable targets, with one policy.' })
export type UpstreamOptions = Static<typeof UpstreamOptions>

/** Gives the date until which a session may last, such as the expiry of the token that opened it. */
export type UntilFunction = (request: FastifyRequest) => Date | null | undefined | Promise<Date | null | undefined>

const bytes = (description: string) =>
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: `${description} Bytes. Default: no limit.` })
const unlimitedMilliseconds = (description: string) =>
  Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, description: `${description} Milliseconds. Default: no limit.` })

const closeCodes = (minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, description: 'A code that may stand on the wire is one of 1000 to 1003, 1007 to 1014, or 3000 to 4999.' })
const anyCloseCode = [closeCodes(1000, 1003), closeCodes(1007, 1014), closeCodes(3000, 4999)] as const
const closeCode = (value: number, description: string) =>
  Type.Optional(Type.Union([...anyCloseCode], { default: value, description: `${description} One that may stand on the wire.` }))

/** How many messages, frames and bytes a client may send. */
export const MessageRate = Type.Object({
  messages: Type.Number({ exclusiveMinimum: 0, description: 'Messages a second that a client may send for long.' }),
  burst: Type.Optional(Type.Integer({ minimum: 1, description: 'Messages that it may send at once after a pause. Default: those of a second.' })),
  frames: Type.Optional(Type.Integer({
    minimum: 1, description: 'Frames a second, control frames and those without payload included, with those of a second (or burst, if that is more) at once after a pause. Default: ten for each message of messages and of burst, but at least 100.'
  })),
  bytes: Type.Optional(Type.Integer({ minimum: 1, description: 'Bytes a second on the wire, with those of a second at once after a pause. Default: no limit.' })),
  action: Type.Optional(Type.Union([Type.Literal('close'), Type.Literal('delay')], {
    default: 'close',
    description: "What happens to a client that sends more: 'close' ends the session with 1008, 'delay' reads no further until it is within the rate."
  }))
}, { ...closed, description: 'How many messages a client may send: a token bucket for each session.' })
export type MessageRate = Static<typeof MessageRate>

const webSocketOptions = {
  origins: Type.Optional(Type.Union([
    Type.Literal('*'), Type.Literal('same-origin'), Type.Array(Type.String({
      pattern: '^([A-Za-z][A-Za-z0-9+.-]*://[^/?#\\s]+|null)$', description: 'An origin: a scheme, a host and, unless it is that of the scheme, a port, as in https://app.example:8443.'
    }), { minItems: 1 })
  ], {
    default: '*',
    description: "Whose pages may open a WebSocket: '*' anyone's, 'same-origin' those of the request's own host, or a list of origins, in which https://*.example.com stands for every subdomain; else 403. A request without Origin comes from no browser and is let through, unless requireOrigin."
  })),
  requireOrigin: Type.Optional(Type.Boolean({ default: false, description: 'Whether a request without Origin is refused with 403.' })),
  protocols: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    description: 'The subprotocols that are let through; the target chooses among those of them that the client offers. A client that offers none of them, but others, gets 400. Default: all.'
  })),
  compression: Type.Optional(Type.Union([Type.Literal('passthrough'), Type.Literal('off')], {
    default: 'passthrough',
    description: "'passthrough' lets client and target negotiate extensions such as permessage-deflate; 'off' removes the client's offer."
  })),
  connectTimeout: Type.Optional(Type.Integer({
    minimum: 1, maximum: 2 ** 31 - 1, description: "How long a connection to a target may take to open; then 502. Milliseconds. Default: the upstream's."
  })),
  handshakeTimeout: Type.Optional(milliseconds(60_000,
    'How long a target may take to answer the handshake once it is connected; then 504.')),
  idleTimeout: Type.Optional(unlimitedMilliseconds(
    'How long a session may go without a data frame in either direction; then both sides are sent Close with idleCode.')),
  idleCode: closeCode(1001, 'The close code of a session that ends by idleTimeout.'),
  pingInterval: Type.Optional(Type.Union([Type.Literal(false), milliseconds(30_000, 'How long a side may be silent before the gateway pings it.')], {
    default: 30_000,
    description: 'How long a side may be silent before the gateway pings it; false for never. Its own pongs are not relayed, those of the peers are. Milliseconds.'
  })),
  pongTimeout: Type.Optional(milliseconds(90_000,
    'How long a side that was pinged may go on without a sign of life, which is any byte that it sends, or that it takes after others have waited for it; then it counts as gone.')),
  maxLifetime: Type.Optional(unlimitedMilliseconds('How long a session may last; then both sides are sent Close with lifetimeCode.')),
  lifetimeCode: closeCode(1001, 'The close code of a session that ends by maxLifetime.'),
  lifetimeJitter: Type.Optional(Type.Integer({
    minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Up to how much maxLifetime is shortened, by chance, so that sessions that began together do not end together. Milliseconds.'
  })),
  maxFrameSize: Type.Optional(bytes('Payload of the longest frame, either way; a longer one ends the session with 1009 before any of it is relayed.')),
  maxMessageSize: Type.Optional(bytes('Payload of the longest message, either way, over all its frames and as it is on the wire; a longer one ends the session with 1009.')),
  messageRate: Type.Optional(MessageRate),
  maxSessions: Type.Optional(Type.Integer({ minimum: 1, description: 'Sessions and handshakes of the route at a time; more are refused with 503. Default: no limit.' })),
  maxSessionsPerClient: Type.Optional(Type.Integer({ minimum: 1, description: "Sessions and handshakes of the route at a time from one address (Fastify's request.ip); more are refused with 429. Default: no limit." })),
  closeTimeout: Type.Optional(milliseconds(5_000,
    'How long a peer may take to answer a Close before its socket is destroyed.')),
  stallTimeout: Type.Optional(milliseconds(60_000,
    'How long a peer may read nothing while the other side waits to be read; then it counts as gone.')),
  lossCode: Type.Optional(Type.Union([...anyCloseCode], {
    description: 'The close code for a side whose peer is lost, client or target; one that may stand on the wire. 1011 is known to all clients. Default: none; its connection ends without a Close, as if it were the peer itself.'
  })),
  onRemoved: Type.Optional(Type.Union([Type.Literal('drain'), Type.Literal('keep'), Type.Literal('close')], {
    default: 'drain', description: "What becomes of the sessions of the route when a reload removes it, or their target: 'drain' ends them with Close 1012, spread over drainSpread (30 s where that is not set), 'close' ends them with 1012 at once, 'keep' leaves them until they end by themselves."
  })),
  strict: Type.Optional(Type.Boolean({
    default: true, description: 'Whether a peer that breaks the framing of RFC 6455 is told 1002, and one that breaks its handshake is refused. Otherwise its frames are relayed as they come, as long as their ends can be found, and its handshake passes as it would through nginx.'
  }))
}

/** The object form of a route's `websocket` option, in sluice.yaml. */
export const WebSocketConfig = Type.Object(webSocketOptions, { ...closed, description: 'Options of WebSocket passthrough.' })

/** The object form of a route's `websocket` option, from code. */
export const WebSocketOptions = Type.Object({
  ...webSocketOptions,
  until: Type.Optional(Type.Unsafe<UntilFunction>(Type.Function([Type.Any()], Type.Any(), {
    description: 'Gives the date at which the session ends with 1008, such as the expiry of the token that opened it; nothing for no such date. It may be async.'
  }))),
  onSession: Type.Optional(Type.Unsafe<(session: WebSocketSession) => void>(Type.Function([Type.Any()], Type.Any(), {
    description: 'Called when a session has opened.'
  }))),
  onSessionEnd: Type.Optional(Type.Unsafe<(session: WebSocketSession, end: SessionEnd) => void>(Type.Function([Type.Any(), Type.Any()], Type.Any(), {
    description: 'Called when a session has ended and both its sockets are gone.'
  })))
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
  response: 'Headers of the response to the client, a 101 included, by name: a text sets one, null removes it.'
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
  pattern: Type.String({ minLength: 1, description: 'Regular expression for the path, without the query, in the syntax of JavaScript less lookarounds and back references, so that it takes linear time (RE2). Error for any other: SLUICE_OPTIONS_INVALID. A path on which it could take more than some 50 ms, of 40,000 characters for a usual pattern and of 2,048 for the largest, is refused with 414 SLUICE_PATH_TOO_LONG.' }),
  replacement: Type.String({ description: 'What takes the place of what it matches; $1 is its first group.' })
}, { ...closed, description: 'A pattern for the path, after stripPrefix.' })
export type RewritePattern = Static<typeof RewritePattern>

const cookieRule = (pattern: string, text: string) => Type.Optional(Type.Union([
  Type.Literal(true), Type.String({ pattern }), Type.Null()
], { description: `${text} A text takes its place, null removes it. Default: it stays.` }))
const CookieRules = Type.Object({
  domain: cookieRule('^[A-Za-z0-9.-]+$', "true removes a Domain that the client's host does not lie in, which it would refuse."),
  path: cookieRule('^/[!-:<-~]*$', 'true puts stripPrefix before it.')
}, { ...closed, description: 'What becomes of Domain and Path in Set-Cookie.' })
export type CookieRules = Static<typeof CookieRules>

const responseRewriting = {
  rewriteLocation: Type.Optional(Type.Boolean({
    default: false,
    description: "Whether Location, Content-Location and Refresh of responses are made to suit the client: a path, or a URL of the target's own, becomes the path with stripPrefix before it."
  })),
  rewriteCookies: Type.Optional(Type.Union([Type.Boolean(), CookieRules], {
    default: false,
    description: 'Whether Set-Cookie of responses is made to suit the client: true, for { domain: true, path: true }, or an object of rules.'
  }))
}

const upstreamName = Type.String({
  minLength: 1,
  description: 'The upstream that serves the route: a declared name, or the URL of an origin.'
})

const stripPrefix = Type.Optional(Type.String({
  pattern: '^/',
  description: 'Leading part of the path that is removed before the request goes to the target, such as /api.'
}))
const host = Type.Optional(Type.Union([Type.Literal('preserve'), Type.Literal('target')], {
  default: 'preserve',
  description: "Host of the request to the target: 'preserve' for the client's, 'target' for that of the target's URL. X-Forwarded-Host is the client's either way."
}))
const websocketDescription = {
  default: false,
  description: 'Whether WebSockets pass: true, or an object of options. Without it an upgrade request is ordinary HTTP.'
}

const bodyLimit = Type.Optional(bytes('Longest body of a request; a longer one is refused with 413, and the request to the target broken off. A limit of the app itself does not hold for a proxied route.'))

/** The gateway's own options of `app.proxy(url, options)`; Fastify's route options stand beside them. */
export const ProxyOptions = Type.Object({
  upstream: Type.Union([upstreamName, Type.Unsafe<UpstreamFunction>(Type.Function([Type.Any()], Type.Any()))], {
    description: 'The upstream that serves the route: a declared name, the URL of an origin, or (from code) a function of the request giving either, possibly async.'
  }),
  stripPrefix,
  host,
  websocket: Type.Optional(Type.Union([Type.Boolean(), WebSocketOptions], websocketDescription)),
  rewrite: Type.Optional(Type.Union([RewritePattern, Type.Unsafe<RewriteFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any()))], {
    description: 'Changes the path: a pattern, or (from code) a function of path with query and request that gives both anew.'
  })),
  headers: Type.Optional(HeaderRules),
  bodyLimit,
  ...responseRewriting
}, { ...closed, description: 'Options of a proxied route.' })
export type ProxyOptions = Static<typeof ProxyOptions>

/** `config.passthrough` of a route of @fastify/http-proxy: its upgrades go through the gateway. */
export const PassthroughOptions = Type.Object({
  upstream: ProxyOptions.properties.upstream,
  stripPrefix: ProxyOptions.properties.stripPrefix,
  host: ProxyOptions.properties.host,
  rewrite: ProxyOptions.properties.rewrite,
  headers: ProxyOptions.properties.headers,
  ...responseRewriting,
  websocket: Type.Optional(Type.Union([Type.Literal(true), WebSocketOptions], { description: 'Options of WebSocket passthrough; true, which it is anyway, for the defaults.' }))
}, { ...closed, description: 'Options of `config.passthrough`.' })
export type PassthroughOptions = Static<typeof PassthroughOptions>

const urlPattern = Type.String({ pattern: '^(/|\\*$)', description: 'URL pattern in the syntax of Fastify: /api/*, /users/:id.' })

/** A route in sluice.yaml. */
export const RouteConfig = Type.Object({
  url: Type.Union([urlPattern, Type.Array(urlPattern, { minItems: 1 })], {
    description: 'URL pattern in the syntax of Fastify, such as /api/* or /users/:id; or several: [/api, /api/*].'
  }),
  method: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
    description: 'HTTP method or methods, of those that Node knows, but for CONNECT: GET, PROPFIND, QUERY and so on. Default: all of them. Error for any other: SLUICE_CONFIG_INVALID.'
  })),
  upstream: upstreamName,
  stripPrefix,
  host,
  websocket: Type.Optional(Type.Union([Type.Boolean(), WebSocketConfig], websocketDescription)),
  rewrite: Type.Optional(RewritePattern),
  headers: Type.Optional(HeaderTexts),
  bodyLimit,
  ...responseRewriting
}, { ...closed, description: 'A proxied route.' })
export type RouteConfig = Static<typeof RouteConfig>

const drainOptions = {
  drainTimeout: Type.Optional(milliseconds(30_000,
    'How long app.close() may wait for open sessions and for responses under way to end; what is left is destroyed.')),
  drainSpread: Type.Optional(Type.Integer({
    minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Over how long app.close() spreads the ends of the sessions, so that their clients do not come back all at once. Milliseconds.'
  })),
  drainCode: Type.Optional(Type.Union([Type.Literal(false), ...anyCloseCode], {
    default: 1012, description: 'The close code of sessions that app.close() ends, one that may stand on the wire: 1012 says that the service restarts. False ends them without a Close, for clients that only come back after an unclean end.'
  }))
}

const forwardingOptions = {
  requestId: Type.Optional(Type.Boolean({
    default: true,
    description: "Whether targets get the id that a request has in the log (Fastify's request.id) as X-Request-Id, in the place of the client's; without it the client's goes on. The service takes the id from X-Request-Id where trustProxy trusts the peer, and makes one otherwise."
  })),
  forwarded: Type.Optional(Type.Boolean({
    default: false,
    description: 'Whether targets get Forwarded (RFC 7239) beside X-Forwarded-*. That of a peer which trustProxy trusts is continued.'
  })),
  via: Type.Optional(Type.Union([Type.Boolean(), Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z:-]+$" })], {
    default: false,
    description: 'Whether the gateway adds itself to Via, in requests and in responses: true as sluice, or under a name such as edge-1. Loops are not looked for.'
  }))
}

const accessLog = Type.Optional(Type.Boolean({
  description: 'Whether a line is logged for each request and each session on a proxied route. Default: true where the app is made with disableRequestLogging, as the service is, so that there is one line a request; false otherwise, where Fastify writes two of its own.'
}))

/** Options of the plugin: `app.register(sluice, options)`. */
export const GatewayOptions = Type.Object({
  ignoreUpgrade: Type.Optional(Type.Unsafe<(request: IncomingMessage) => boolean>(Type.Function([Type.Any()], Type.Any(), {
    description: "From code: upgrade requests that belong to another 'upgrade' listener of the server. One that answers at once, as socket.io and ws do, is noticed without it."
  }))),
  accessLog,
  ...forwardingOptions,
  ...drainOptions
}, { ...closed, description: 'Options of the plugin.' })
export type GatewayOptions = Static<typeof GatewayOptions>

/** The levels of pino. */
export const LogLevel = Type.Union([
  Type.Literal('fatal'), Type.Literal('error'), Type.Literal('warn'), Type.Literal('info'),
  Type.Literal('debug'), Type.Literal('trace'), Type.Literal('silent')
], { default: 'info', description: 'The least level that is logged.' })
export type LogLevel = Static<typeof LogLevel>

/** TLS towards the clients. */
export const ListenTlsOptions = Type.Object({
  cert: pem('Certificate of the gateway, with those of its authorities behind it: PEM text, or the path of a file of it.'),
  key: pem('Private key of that certificate: PEM text, or the path of a file of it.'),
  handshakeTimeout: Type.Optional(milliseconds(10_000,
    'How long a client may take for its TLS handshake; then the connection is closed.'))
}, { ...closed, description: 'Serves https and wss instead of http and ws.' })
export type ListenTlsOptions = Static<typeof ListenTlsOptions>

/** Where the service listens, and what it takes from its clients. */
export const ListenOptions = Type.Object({
  host: Type.Optional(Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on.' })),
  port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: 8080, description: 'Port to listen on; 0 takes a free one.' })),
  tls: Type.Optional(ListenTlsOptions),
  headersTimeout: Type.Optional(milliseconds(10_000,
    'How long a client may take to send the head of a request, from the connection or from the first byte of a later request; then 408.')),
  requestTimeout: Type.Optional(Type.Union([Type.Literal(false), milliseconds(30_000, 'How long a client may take to send the body of a request.')], {
    default: 30_000,
    description: 'How long a client may take to send the body of a request, beside the time that minBodyRate grants; then 408. The time in which the gateway does not read does not count. False for no limit. Milliseconds.'
  })),
  minBodyRate: Type.Optional(Type.Integer({
    minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 500, description: 'For every so many bytes of a body that have come, its requestTimeout is a second longer, so that a long upload is not cut. Bytes.'
  })),
  keepAliveTimeout: Type.Optional(milliseconds(72_000,
    'How long a connection may be idle after a response; then it is closed.')),
  maxHeaderSize: Type.Optional(Type.Integer({
    minimum: 1024, maximum: 2 ** 24, default: 16_384, description: 'Size of the head of a request, with its first line; a larger one is refused with 431. Bytes.'
  })),
  maxHeaders: Type.Optional(Type.Integer({
    minimum: 1, maximum: 2 ** 31 - 1, default: 100, description: 'Header fields of a request; one that has more is refused with 431.'
  })),
  maxConnections: Type.Optional(Type.Integer({
    minimum: 1, maximum: 2 ** 31 - 1, description: 'Connections at a time, WebSockets included; further ones are closed at once. Default: no limit.'
  }))
}, { ...closed, description: 'Where the gateway listens, and the limits for its clients.' })
export type ListenOptions = Static<typeof ListenOptions>

/** The configuration of the service: sluice.yaml, or the object given to createGateway(). */
export const GatewayConfig = Type.Object({
  listen: Type.Optional(ListenOptions),
  logLevel: Type.Optional(LogLevel),
  redactQuery: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    description: 'Names of query parameters whose values are not logged; one also stands for names that end in it behind -, _ or a dot. In the place of the default list: token, access_token, code, key, password, secret, session, signature and the like.'
  })),
  ...drainOptions,
  accessLog,
  trustProxy: Type.Optional(Type.Union([Type.Boolean(), Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    default: false,
    description: 'Which proxies in front of the gateway are believed what X-Forwarded-* says: true for any, or addresses and networks such as 10.0.0.0/8.'
  })),
  ...forwardingOptions,
  upstreams: Type.Optional(Type.Record(Type.String({ minLength: 1 }), UpstreamOptions, {
    description: 'The upstreams by name.'
  })),
  routes: Type.Optional(Type.Array(RouteConfig, { description: 'The proxied routes.' }))
}, { ...closed, description: 'The configuration of the service.' })
export type GatewayConfig = Static<typeof GatewayConfig>
