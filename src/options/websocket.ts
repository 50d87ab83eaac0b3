import { Type, type TObject } from '@sinclair/typebox'
import type { PongFunction, RateKeyFunction, SessionEndFunction, SessionFunction, UntilFunction, UpstreamFunction } from './functions.js'
import { MessageConfig, MessageOptions } from './messages.js'
import { ReconnectConfig, ReconnectOptions } from './reconnect.js'
import { anyCloseCode, bytes, closeCode, closed, milliseconds, text, TOKEN, TOKEN_CHARACTERS, unlimitedMilliseconds } from './units.js'
import type * as types from './types.js'

const keyKinds = [
  Type.Literal('session'), Type.Literal('address'),
  Type.Object({ header: text(TOKEN, `must consist of ${TOKEN_CHARACTERS}`, { description: 'Name of the header.' }) }, closed)
] as const

const keyDescription = "What is counted together: 'session' for each session alone, 'address' for all sessions of the route from one address (Fastify's request.ip; of an IPv6 address its /64, since a client has all of it), { header } for all with the same value of a header. A client sends what headers it likes, so take one that something in front of the gateway, or a hook, has checked. A session without it counts alone."

const rateOptions = {
  messages: Type.Number({ exclusiveMinimum: 0, description: 'Messages a second that may be sent for long.' }),
  burst: Type.Optional(Type.Integer({ minimum: 1, description: 'Messages that may be sent at once after a pause. Default: those of a second.' })),
  frames: Type.Optional(Type.Integer({
    minimum: 1, description: 'Frames a second, control frames and those without payload included, with those of a second (or burst, if that is more) at once after a pause. Default: ten for each message of messages and of burst, but at least 100.'
  })),
  bytes: Type.Optional(Type.Integer({ unit: 'bytes', minimum: 1, description: 'Bytes a second on the wire, with those of a second at once after a pause. Default: no limit.' })),
  action: Type.Optional(Type.Union([Type.Literal('close'), Type.Literal('delay')], {
    default: 'close',
    description: "What happens when more is sent: 'close' ends the session with 1008, and refuses further ones of its key with 429 until it is within the rate; 'delay' reads no further until then."
  }))
}

const rateDescription = { ...closed, description: 'How much may be sent: token buckets of messages, frames and bytes, for each session or each key.' }

/** How many messages, frames and bytes may be sent. */
export const MessageRateConfig = Type.Object({
  ...rateOptions,
  key: Type.Optional(Type.Union([...keyKinds], { default: 'session', description: keyDescription }))
}, rateDescription)
export type MessageRateConfig = types.MessageRateConfig

/** The same from code, where the key can be a function. */
export const MessageRate = Type.Object({
  ...rateOptions,
  key: Type.Optional(Type.Union([...keyKinds, Type.Unsafe<RateKeyFunction>(Type.Function([Type.Any()], Type.Any(), { typeName: 'RateKeyFunction' }))], {
    default: 'session', description: `${keyDescription} From code, also a function of the request that returns the key.`
  }))
}, rateDescription)
export type MessageRate = types.MessageRate

/** How much each side may send. */
const ratesOf = <Rate extends TObject>(rate: Rate) => ({
  messageRate: Type.Optional({ ...rate, description: 'How much a client may send: token buckets of messages, frames and bytes, for each session or each key.' }),
  targetMessageRate: Type.Optional({ ...rate, description: 'How much a target may send: token buckets as those of messageRate.' })
})

const messageSize = bytes('Payload of the longest message of one side.')

const webSocketOptions = {
  origins: Type.Optional(Type.Union([
    Type.Literal('*'), Type.Literal('same-origin'), Type.Array(text('^([A-Za-z][A-Za-z0-9+.-]*://[^/?#\\s]+|null)$', 'must be a scheme, :// and a host, without a path', {
      description: 'An origin: a scheme, a host and, unless it is that of the scheme, a port, as in https://app.example:8443.'
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
    unit: 'milliseconds', minimum: 1, maximum: 2 ** 31 - 1, description: "How long a connection to a target may take to open; then 502. Milliseconds. Default: the upstream's."
  })),
  handshakeTimeout: Type.Optional(milliseconds(60_000,
    'How long a target may take to respond to the handshake once it is connected; then 504.')),
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
    unit: 'milliseconds', minimum: 0, maximum: 2 ** 31 - 1, default: 0, description: 'Up to how much maxLifetime is shortened, by chance, so that sessions that began together do not end together. Milliseconds.'
  })),
  maxFrameSize: Type.Optional(bytes('Payload of the longest frame, either way; a longer one ends the session with 1009 before any of it is relayed.')),
  maxMessageSize: Type.Optional(Type.Union([messageSize, Type.Object({
    fromClient: Type.Optional(messageSize),
    fromTarget: Type.Optional(messageSize)
  }, closed)], {
    description: 'Payload of the longest message over all its frames and as it is on the wire, for both ways or as { fromClient, fromTarget }; a longer one ends the session with 1009. Bytes. Default: no limit.'
  })),
  maxSessions: Type.Optional(Type.Integer({ minimum: 1, description: 'Sessions and handshakes of the route at a time; more are refused with 503. Default: no limit.' })),
  maxSessionsPerClient: Type.Optional(Type.Integer({ minimum: 1, description: "Sessions and handshakes of the route at a time from one address (Fastify's request.ip); more are refused with 429. Default: no limit." })),
  closeTimeout: Type.Optional(milliseconds(5_000,
    'How long a peer may take to respond to a close frame before its socket is destroyed.')),
  stallTimeout: Type.Optional(milliseconds(60_000,
    'How long a peer may read nothing while the other side waits to be read; then it counts as gone.')),
  lossCode: Type.Optional(Type.Union([...anyCloseCode], {
    description: 'The close code for a side whose peer is lost, client or target; one that may stand on the wire. 1011 is known to all clients. Default: none; its connection ends without a Close, as if it were the peer itself.'
  })),
  onRemoved: Type.Optional(Type.Union([Type.Literal('drain'), Type.Literal('keep'), Type.Literal('close')], {
    default: 'drain', description: "What becomes of the sessions of the route when a reload removes it, or their target: 'drain' ends them with Close 1012, spread over drainSpread (30 s where that is not set), 'close' ends them with 1012 at once, 'keep' leaves them until they end by themselves."
  })),
  onUnhealthy: Type.Optional(Type.Union([Type.Literal('keep'), Type.Literal('drain'), Type.Literal('close')], {
    default: 'keep', description: "What becomes of the sessions of the route on a target that is found to be down: 'keep' leaves them until they end by themselves, 'drain' ends them with Close 1012, spread over drainSpread (30 s where that is not set), 'close' ends them with 1012 at once."
  })),
  strict: Type.Optional(Type.Boolean({
    default: true, description: 'Whether a peer that violates the framing of RFC 6455 is closed with 1002, and one that violates its handshake is refused. Otherwise its frames are relayed as they come, as long as their ends can be found, and its handshake passes as it would through nginx.'
  }))
}

const upstreamName = Type.String({ minLength: 1, description: 'The upstream that handshakes go to, if it is not that of the route: a declared name, or the URL of a target.' })

/** The object form of a route's `websocket` option, in sluice.yaml. */
export const WebSocketConfig = Type.Object({
  ...webSocketOptions,
  ...ratesOf(MessageRateConfig),
  messages: Type.Optional(MessageConfig),
  reconnect: Type.Optional(ReconnectConfig),
  upstream: Type.Optional(upstreamName)
}, { ...closed, description: 'Options of WebSocket passthrough.' })
export type WebSocketConfig = types.WebSocketConfig

/** The object form of a route's `websocket` option, from code. */
export const WebSocketOptions = Type.Object({
  ...webSocketOptions,
  ...ratesOf(MessageRate),
  messages: Type.Optional(MessageOptions),
  reconnect: Type.Optional(ReconnectOptions),
  upstream: Type.Optional(Type.Union([upstreamName, Type.Unsafe<UpstreamFunction>(Type.Function([Type.Any()], Type.Any(), { typeName: 'UpstreamFunction' }))], {
    description: 'The upstream that handshakes go to, if it is not that of the route: a declared name, the URL of a target, or (from code) a function of the request.'
  })),
  until: Type.Optional(Type.Unsafe<UntilFunction>(Type.Function([Type.Any()], Type.Any(), {
    typeName: 'UntilFunction',
    description: 'Gives the date at which the session ends with 1008, such as the expiry of the token that opened it; nothing for no such date. It may be async.'
  }))),
  onSession: Type.Optional(Type.Unsafe<SessionFunction>(Type.Function([Type.Any()], Type.Any(), {
    typeName: 'SessionFunction',
    description: 'Called when a session has opened.'
  }))),
  onPong: Type.Optional(Type.Unsafe<PongFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), {
    typeName: 'PongFunction',
    description: "Called when a side has responded to a Ping of the gateway, with the session and 'client' or 'target'."
  }))),
  onSessionEnd: Type.Optional(Type.Unsafe<SessionEndFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), {
    typeName: 'SessionEndFunction',
    description: 'Called when a session has ended and both its sockets are gone.'
  })))
}, { ...closed, description: 'Options of WebSocket passthrough.' })
export type WebSocketOptions = types.WebSocketOptions
