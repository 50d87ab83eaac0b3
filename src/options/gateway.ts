import { Type } from '@sinclair/typebox'
import type { IgnoreUpgradeFunction } from './functions.js'
import { anyCloseCode, closed, milliseconds, text, TOKEN_CHARACTERS } from './units.js'
import type * as types from './types.js'

export const drainOptions = {
  drainTimeout: Type.Optional(milliseconds(30_000,
    'How long app.close() may wait for open sessions and for responses under way to end; what is left is destroyed.')),
  drainSpread: Type.Optional(Type.Integer({
    unit: 'milliseconds', minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Over how long app.close() spreads the ends of the sessions, so that their clients do not come back all at once. Milliseconds.'
  })),
  drainCode: Type.Optional(Type.Union([Type.Literal(false), ...anyCloseCode], {
    default: 1012, description: 'The close code of sessions that app.close() ends, one that may stand on the wire: 1012 says that the service restarts. False ends them without a Close, for clients that only come back after an unclean end.'
  }))
}

export const forwardingOptions = {
  requestId: Type.Optional(Type.Boolean({
    default: true,
    description: "Whether targets get the id that a request has in the log (Fastify's request.id) as X-Request-Id, in the place of the client's; without it the client's goes on. The service takes the id from X-Request-Id where trustProxy trusts the peer, and makes one otherwise."
  })),
  forwarded: Type.Optional(Type.Boolean({
    default: false,
    description: 'Whether targets get Forwarded (RFC 7239) beside X-Forwarded-*. That of a peer which trustProxy trusts is continued.'
  })),
  via: Type.Optional(Type.Union([Type.Boolean(), text("^[!#$%&'*+.^_`|~0-9A-Za-z:-]+$", `must consist of ${TOKEN_CHARACTERS}, and may have a colon`)], {
    default: false,
    description: 'Whether the gateway adds itself to Via, in requests and in responses: true as sluice, or under a name such as edge-1. Loops are not looked for.'
  }))
}

/** The object form of `accessLog`. */
export const AccessLogOptions = Type.Object({
  sample: Type.Optional(Type.Number({
    minimum: 0, maximum: 1, default: 1, description: 'Share of the requests that went well which get a line, such as 0.01. Requests that failed, responses with a status of 5xx and sessions always have theirs.'
  })),
  requestHeaders: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { default: [], description: 'Names of request headers that are logged, such as user-agent. Secrets are redacted, see redactHeaders.' })),
  responseHeaders: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { default: [], description: 'Names of response headers that are logged, such as content-type.' }))
}, { ...closed, description: 'Options of the access log.' })
export type AccessLogOptions = types.AccessLogOptions

export const logOptions = {
  accessLog: Type.Optional(Type.Union([Type.Boolean(), AccessLogOptions], {
    description: 'Whether a line is logged for each request and each session on a proxied route: true, false, or an object of options. Default: true where the app is made with disableRequestLogging, as the service is, so that there is one line a request; false otherwise, where Fastify writes two of its own.'
  })),
  redactHeaders: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    description: 'Names of headers whose values are not logged, in the place of the default list: authorization, proxy-authorization, cookie, set-cookie, x-api-key and others whose names tell of a token, a secret or a key.'
  }))
}

/** The object form of `tracing`. */
export const TracingOptions = Type.Object({
  trustParent: Type.Optional(Type.Boolean({
    default: true, description: "Whether a request continues the trace that its client names in traceparent. Otherwise each begins a trace of its own, with a link to the client's: for a gateway that anybody can reach."
  }))
}, { ...closed, description: 'Options of tracing.' })
export type TracingOptions = types.TracingOptions

export const tracingOptions = {
  tracing: Type.Optional(Type.Union([Type.Boolean(), TracingOptions], {
    default: false,
    description: 'Whether requests, attempts and sessions become spans of OpenTelemetry, and targets get the trace context (traceparent): true, or an object of options. It needs @opentelemetry/api, and an SDK that is registered before the gateway starts.'
  }))
}

/** Options of the plugin: `app.register(sluice, options)`. */
export const GatewayOptions = Type.Object({
  ignoreUpgrade: Type.Optional(Type.Unsafe<IgnoreUpgradeFunction>(Type.Function([Type.Any()], Type.Any(), {
    typeName: 'IgnoreUpgradeFunction',
    description: "From code: upgrade requests that belong to another 'upgrade' listener of the server. One that responds at once, as socket.io and ws do, is detected without it."
  }))),
  ...logOptions,
  ...tracingOptions,
  ...forwardingOptions,
  ...drainOptions
}, { ...closed, description: 'Options of the plugin.' })
export type GatewayOptions = types.GatewayOptions
