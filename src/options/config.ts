import { Type } from '@sinclair/typebox'
import { AdminOptions } from './admin.js'
import { drainOptions, forwardingOptions, logOptions, tracingOptions } from './gateway.js'
import { RouteConfig } from './route.js'
import { closed, milliseconds, pem } from './units.js'
import { UpstreamConfig } from './upstream.js'
import type * as types from './types.js'

/** The levels of pino. */
export const LogLevel = Type.Union([
  Type.Literal('fatal'), Type.Literal('error'), Type.Literal('warn'), Type.Literal('info'),
  Type.Literal('debug'), Type.Literal('trace'), Type.Literal('silent')
], { default: 'info', description: 'The least level that is logged.' })
export type LogLevel = types.LogLevel

/** TLS towards the clients. */
export const ListenTlsOptions = Type.Object({
  cert: pem('Certificate of the gateway, with those of its authorities behind it: PEM text, or the path of a file of it.'),
  key: pem('Private key of that certificate: PEM text, or the path of a file of it.'),
  handshakeTimeout: Type.Optional(milliseconds(10_000,
    'How long a client may take for its TLS handshake; then the connection is closed.'))
}, { ...closed, description: 'Serves https and wss instead of http and ws.' })
export type ListenTlsOptions = types.ListenTlsOptions

/** Where the service listens, and what it takes from its clients. */
export const ListenOptions = Type.Object({
  host: Type.Optional(Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on.' })),
  port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: 8080, description: 'Port to listen on; 0 takes a free one.' })),
  socketPath: Type.Optional(Type.String({ minLength: 1, description: 'Path of a Unix socket to listen on, in the place of host and port.' })),
  socketMode: Type.Optional(Type.String({ pattern: '^[0-7]{3,4}$', patternErrorMessage: "must be three octal digits in quotes, such as '660'", description: "Permissions of that socket, such as '660' for the user of the process and its group: whoever may write can connect. Default: those that the umask of the process leaves." })),
  tls: Type.Optional(ListenTlsOptions),
  redirectToHttps: Type.Optional(Type.Union([Type.Boolean(), Type.Integer({ minimum: 1, maximum: 65535 })], {
    default: false,
    description: 'Sends every request on this listener to https, with 308: true for the port of the first listener with tls, or the port that clients see.'
  })),
  headersTimeout: Type.Optional(milliseconds(10_000,
    'How long a client may take to send the head of a request, from the connection or from the first byte of a later request; then 408.')),
  requestTimeout: Type.Optional(Type.Union([Type.Literal(false), milliseconds(30_000, 'How long a client may take to send the body of a request.')], {
    default: 30_000,
    description: 'How long a client may take to send the body of a request, beside the time that minBodyRate grants; then 408. The time in which the gateway does not read does not count. False for no limit. Milliseconds.'
  })),
  minBodyRate: Type.Optional(Type.Integer({
    unit: 'bytes', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 500, description: 'For every so many bytes of a body that have come, its requestTimeout is a second longer, so that a long upload is not cut. Bytes.'
  })),
  keepAliveTimeout: Type.Optional(milliseconds(72_000,
    'How long a connection may be idle after a response; then it is closed.')),
  maxHeaderSize: Type.Optional(Type.Integer({
    unit: 'bytes', minimum: 1024, maximum: 2 ** 24, default: 16_384, description: 'Size of the head of a request, with its first line; a larger one is refused with 431. Bytes.'
  })),
  maxHeaders: Type.Optional(Type.Integer({
    minimum: 1, maximum: 2 ** 31 - 1, default: 100, description: 'Header fields of a request; one that has more is refused with 431.'
  })),
  maxConnections: Type.Optional(Type.Integer({
    minimum: 1, maximum: 2 ** 31 - 1, description: 'Connections at a time, WebSockets included; further ones are closed at once. Default: no limit.'
  }))
}, { ...closed, description: 'Where the gateway listens, and the limits for its clients.' })
export type ListenOptions = types.ListenOptions

/** The configuration of the service: sluice.yaml, or the object given to createGateway(). */
export const GatewayConfig = Type.Object({
  listen: Type.Optional(Type.Union([ListenOptions, Type.Array(ListenOptions, { minItems: 1 })], {
    description: 'Where the gateway listens: one listener, or several. Of several, the first one has the limits for clients, which hold for all.'
  })),
  workers: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 1024 }), Type.Literal('auto')], {
    description: "How many worker processes the command runs, beside the one that supervises them: 'auto' for one for each processor. They share the listener; limits and health checks are each worker's own. Default: none, a single process."
  })),
  logLevel: Type.Optional(LogLevel),
  logFile: Type.Optional(Type.String({ minLength: 1, description: 'Path of a file to which the log is appended; SIGUSR2 opens it anew, after it was renamed. It is opened at the start: a reload does not change it. Default: the standard output.' })),
  logFormat: Type.Optional(Type.Union([Type.Literal('json'), Type.Literal('text')], { description: "How lines are written: 'json' for programs, 'text' for people. As logFile, it is read at the start. Default: text on a terminal, json otherwise." })),
  redactQuery: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    description: 'Names of query parameters whose values are not logged; one also stands for names that end in it behind -, _ or a dot. In the place of the default list: token, access_token, code, key, password, secret, session, signature and the like.'
  })),
  admin: Type.Optional(Type.Union([Type.Boolean(), AdminOptions], {
    default: false,
    description: 'Whether there is an admin listener, with /healthz, /readyz, /metrics, an API and a status page: true for one at 127.0.0.1:9901.'
  })),
  drainDelay: Type.Optional(Type.Integer({
    unit: 'milliseconds', minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'How long the service goes on as before when it is asked to stop, with /readyz at 503, so that balancers in front of it send no more before it refuses anything. Milliseconds.'
  })),
  ...drainOptions,
  ...logOptions,
  ...tracingOptions,
  trustProxy: Type.Optional(Type.Union([Type.Boolean(), Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    default: false,
    description: 'Which proxies in front of the gateway are believed what X-Forwarded-* says: true for any, or addresses and networks such as 10.0.0.0/8.'
  })),
  ...forwardingOptions,
  upstreams: Type.Optional(Type.Record(Type.String({ minLength: 1 }), UpstreamConfig, {
    description: 'The upstreams by name.'
  })),
  routes: Type.Optional(Type.Array(RouteConfig, { description: 'The proxied routes.' }))
}, { ...closed, description: 'The configuration of the service.' })
export type GatewayConfig = types.GatewayConfig
