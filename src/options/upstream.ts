import { Type } from '@sinclair/typebox'
import { balanceConfig, balanceOption, stickyOption } from './balancing.js'
import { HealthOptions, passiveHealthOption } from './health.js'
import { closed, milliseconds, pem } from './units.js'
import type * as types from './types.js'

const targetUrl = Type.String({ minLength: 1, description: 'An origin: http://host:port, https://host:port or unix:/path of a socket.' })

/** A target: one origin, with an optional weight and labels. */
export const TargetOptions = Type.Union([
  targetUrl,
  Type.Object({
    url: targetUrl,
    weight: Type.Optional(Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 1,
      description: 'Share of the traffic, relative to the other targets of the upstream.'
    })),
    labels: Type.Optional(Type.Record(Type.String({ minLength: 1 }), Type.String(), {
      description: 'Names for people and programs, such as { version: canary }: they are shown in the status of the upstream and in the log.'
    }))
  }, closed)
], { description: 'A string with the origin, or an object { url, weight, labels }.' })
export type TargetOptions = types.TargetOptions

/** How the gateway meets the https targets of an upstream. */
export const UpstreamTlsOptions = Type.Object({
  ca: Type.Optional(pem("Certificates of the authorities that may have signed a target's, instead of those of Node: PEM text, or the path of a file of it.")),
  cert: Type.Optional(pem('Certificate that the gateway shows to a target: PEM text, or the path of a file of it.')),
  key: Type.Optional(pem('Private key of that certificate: PEM text, or the path of a file of it.')),
  servername: Type.Optional(Type.String({ minLength: 1, description: "Name that a target's certificate must bear, and that is sent to it (SNI). Default: the host of the target." })),
  rejectUnauthorized: Type.Optional(Type.Boolean({ default: true, description: 'Whether a target whose certificate does not verify is refused. Only ever false for tests: anyone could pose as the target.' }))
}, { ...closed, description: 'TLS towards the targets of an upstream.' })
export type UpstreamTlsOptions = types.UpstreamTlsOptions

const upstreamOptions = {
  targets: Type.Array(TargetOptions, {
    minItems: 1,
    description: 'The interchangeable targets. Requests and sessions are spread over them by weight.'
  }),
  sticky: stickyOption,
  passiveHealth: passiveHealthOption,
  health: Type.Optional(HealthOptions),
  whenNoneHealthy: Type.Optional(Type.Union([Type.Literal('use-all'), Type.Literal('refuse')], {
    default: 'use-all',
    description: "What happens while no target is healthy: 'use-all' goes on as if all were, since a check can be wrong; 'refuse' responds with 503 SLUICE_NO_TARGET and Retry-After. Targets that are drained or in maintenance are not used either way."
  })),
  slowStart: Type.Optional(Type.Integer({
    minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Over how long the weight of a target that came back or was added grows from a tenth to the whole; 0 for at once. It does not apply at the start of the gateway. Milliseconds.'
  })),
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
    description: 'How often a request or a handshake is sent again, to another target if there is one, when its connection broke before a response: only a request that is idempotent and has no body. If no connection could be made, nothing was sent, so every other target is tried once, whatever the request. A response, such as 503, is relayed and never retried.'
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
}

/** `upstreams.<name>` in sluice.yaml. */
export const UpstreamConfig = Type.Object({
  ...upstreamOptions,
  balance: balanceConfig
}, { ...closed, description: 'A named group of interchangeable targets, with one policy.' })
export type UpstreamConfig = types.UpstreamConfig

/** Options of `app.upstream(name, options)`. */
export const UpstreamOptions = Type.Object({
  ...upstreamOptions,
  balance: balanceOption
}, { ...closed, description: 'A named group of interchangeable targets, with one policy.' })
export type UpstreamOptions = types.UpstreamOptions
