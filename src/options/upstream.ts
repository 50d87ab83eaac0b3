import { Type } from '@sinclair/typebox'
import { balanceConfig, balanceOption, stickyOption } from './balancing.js'
import { DiscoveryOptions } from './discovery.js'
import { HealthOptions, passiveHealthOption } from './health.js'
import { closed, milliseconds, pem, text } from './units.js'
import type * as types from './types.js'

const targetUrl = Type.String({ minLength: 1, description: 'http://host:port, https://host:port, either with a path that is put before the path of each request; or unix:/path of a socket.' })

/** A target: one URL, with an optional weight and labels. */
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
    priority: Type.Optional(Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 0,
      description: 'Targets with a higher number get traffic only while none with a lower one is healthy.'
    })),
    host: Type.Optional(Type.String({
      minLength: 1, description: "Name by which the target is known, if its URL has an address: in Host where a route has host: 'target', in SNI, and in its certificate. Default: the host of the URL."
    })),
    labels: Type.Optional(Type.Record(Type.String({ minLength: 1 }), Type.String(), {
      description: 'Names for people and programs, such as { version: canary }: they are shown in the status of the upstream and in the log.'
    }))
  }, closed)
], { description: 'A string with the URL, or an object { url, weight, priority, host, labels }.' })
export type TargetOptions = types.TargetOptions

const fingerprint = text('^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$|^[0-9A-Fa-f]{64}$', 'must have 32 bytes in hexadecimal digits, with a colon between all of them, or none')

/** How the gateway meets the https targets of an upstream. */
export const UpstreamTlsOptions = Type.Object({
  ca: Type.Optional(pem("Certificates of the authorities that may have signed a target's, instead of those of Node: PEM text, or the path of a file of it.")),
  cert: Type.Optional(pem('Certificate that the gateway shows to a target: PEM text, or the path of a file of it.')),
  key: Type.Optional(pem('Private key of that certificate: PEM text, or the path of a file of it.')),
  servername: Type.Optional(Type.String({ minLength: 1, description: "Name that a target's certificate must bear, and that is sent to it (SNI). Default: the host of the target." })),
  minVersion: Type.Optional(Type.Union([Type.Literal('TLSv1.2'), Type.Literal('TLSv1.3')], { default: 'TLSv1.2', description: 'The oldest version of TLS that is spoken.' })),
  fingerprint: Type.Optional(Type.Union([fingerprint, Type.Array(fingerprint, { minItems: 1 })], { description: "SHA-256 of a target's certificate in hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints it, or several, such as the present one and the next. A target with another certificate is refused; with rejectUnauthorized: false this alone decides." })),
  rejectUnauthorized: Type.Optional(Type.Boolean({ default: true, description: 'Whether a target whose certificate does not verify is refused. Only ever false for tests: anyone could pose as the target.' }))
}, { ...closed, description: 'TLS towards the targets of an upstream.' })
export type UpstreamTlsOptions = types.UpstreamTlsOptions

/** Lists of targets, each of which takes the place of the one before, such as an async generator gives. */
export type TargetLists = AsyncIterable<readonly types.TargetOptions[]>

const limit = (description: string) => Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: `${description} Default: no limit.` })

const targetList = Type.Array(TargetOptions, { minItems: 1 })
const targetsDescription = 'The interchangeable targets, over which requests and sessions are spread by weight; or where they are found: { dns }, { file }, { http } or { kubernetes }.'
const targetsConfig = Type.Union([targetList, DiscoveryOptions], { description: targetsDescription })
/** The same from code. */
const targetsOption = Type.Union([targetList, DiscoveryOptions, Type.Unsafe<TargetLists>(Type.AsyncIterator(Type.Any(), { typeName: 'AsyncIterable<readonly TargetOptions[]>' }))], {
  description: `${targetsDescription} From code, also an async iterable of lists, each of which takes the place of the one before.`
})

const upstreamOptions = {
  sticky: stickyOption,
  passiveHealth: passiveHealthOption,
  health: Type.Optional(HealthOptions),
  whenNoneHealthy: Type.Optional(Type.Union([Type.Literal('use-all'), Type.Literal('refuse')], {
    default: 'use-all',
    description: "What happens while no target is healthy: 'use-all' goes on as if all were, since a check can be wrong; 'refuse' responds with 503 SLUICE_NO_TARGET and Retry-After. Targets that are drained or in maintenance are not used either way."
  })),
  slowStart: Type.Optional(Type.Integer({
    unit: 'milliseconds', minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Over how long the weight of a target that came back or was added grows from a tenth to the whole; 0 for at once. It does not apply at the start of the gateway. Milliseconds.'
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
  retryBudget: Type.Optional(Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.2,
    description: 'How many of the requests and handshakes of the upstream that are under way may be such retries, as a share; three are always allowed. Where there are more, the error of the first attempt is final.'
  })),
  attemptTimeout: Type.Optional(Type.Integer({
    unit: 'milliseconds',
    minimum: 1,
    maximum: 2 ** 31 - 1,
    description: 'How long a target may take for the head of a response, or a 101, while another attempt could follow: that is then made, under the rules of retries. The last attempt has headersTimeout, or handshakeTimeout. Milliseconds. Default: no such limit.'
  })),
  maxHeaderSize: Type.Optional(Type.Integer({
    unit: 'bytes',
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
  maxRequests: Type.Optional(limit('Requests under way at each target. A further one goes to another target, or waits.')),
  maxSessions: Type.Optional(limit('WebSocket sessions and handshakes at each target. A further handshake goes to another target, or waits.')),
  total: Type.Optional(Type.Object({
    maxRequests: Type.Optional(limit('Requests under way at all targets together.')),
    maxSessions: Type.Optional(limit('WebSocket sessions and handshakes at all targets together.'))
  }, { ...closed, description: 'Limits for all targets of the upstream together.' })),
  maxQueue: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 1_000,
    description: 'Requests that may wait for a place under maxRequests, or for a connection under maxConnections, and as many handshakes under maxSessions; a further one gets 503 SLUICE_TARGET_BUSY, or where it is the connections of one target that are missing, goes to another.'
  })),
  queueTimeout: Type.Optional(milliseconds(10_000,
    'How long a request or a handshake may wait for such a place; then 503 SLUICE_TARGET_BUSY.')),
  tls: Type.Optional(UpstreamTlsOptions)
}

/** `upstreams.<name>` in sluice.yaml. */
export const UpstreamConfig = Type.Object({
  targets: targetsConfig,
  ...upstreamOptions,
  balance: balanceConfig
}, { ...closed, description: 'A named group of interchangeable targets, with one policy.' })
export type UpstreamConfig = types.UpstreamConfig

/** Options of `app.upstream(name, options)`. */
export const UpstreamOptions = Type.Object({
  targets: targetsOption,
  ...upstreamOptions,
  balance: balanceOption
}, { ...closed, description: 'A named group of interchangeable targets, with one policy.' })
export type UpstreamOptions = types.UpstreamOptions
