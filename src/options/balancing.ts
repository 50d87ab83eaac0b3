import { Type, type TSchema } from '@sinclair/typebox'
import type { HashFunction } from './functions.js'
import { closed, text, TOKEN, TOKEN_CHARACTERS } from './units.js'
import type * as types from './types.js'

const algorithms = [
  Type.Literal('round-robin'), Type.Literal('least-load'), Type.Literal('random-two'), Type.Literal('first')
] as const

const hashKeys = [
  Type.Literal('address'), Type.Literal('path'),
  Type.Object({ header: Type.String({ minLength: 1 }) }, closed),
  Type.Object({ cookie: Type.String({ minLength: 1 }) }, closed),
  Type.Object({ query: Type.String({ minLength: 1 }) }, closed)
] as const

const hashDescription = "What the same target is chosen for: 'address' (the client's, Fastify's request.ip), 'path', or a header, a cookie or a query parameter by name. A request without it is balanced as by default."
const boundedLoad = Type.Optional(Type.Number({
  minimum: 1, maximum: 100, description: 'A target with more than this multiple of its fair share of the load is skipped, and the next one for the key is taken: 1.25 is usual. Default: no bound.'
}))
const algorithmDescription = "'round-robin' (smooth, weighted), 'least-load' (fewest requests, handshakes and sessions by weight), 'random-two' (the less loaded of two drawn by weight), 'first' (the first target that is healthy; the others are spares), or { hash } (weighted rendezvous hashing)."

/** Chooses a target by a key of the request. */
export const HashConfig = Type.Object({
  hash: Type.Union([...hashKeys], { description: hashDescription }),
  boundedLoad
}, { ...closed, description: 'The same key goes to the same target, as long as that is healthy.' })
export type HashConfig = types.HashConfig

export const HashOptions = Type.Object({
  hash: Type.Union([...hashKeys, Type.Unsafe<HashFunction>(Type.Function([Type.Any()], Type.Any(), { typeName: 'HashFunction' }))], {
    description: `${hashDescription} From code, also a function of the request that returns the key.`
  }),
  boundedLoad
}, { ...closed, description: 'The same key goes to the same target, as long as that is healthy.' })
export type HashOptions = types.HashOptions

const balanceDescription = 'How a target is chosen: one algorithm for requests and handshakes, or { requests, handshakes }. Default: round-robin for requests, least-load for handshakes.'

const leg = <Hash extends TSchema>(hash: Hash, standard: string) =>
  Type.Optional(Type.Union([...algorithms, hash], { default: standard, description: algorithmDescription }))

const balance = <Hash extends TSchema>(hash: Hash) => Type.Optional(Type.Union([
  ...algorithms, hash,
  Type.Object({ requests: leg(hash, 'round-robin'), handshakes: leg(hash, 'least-load') }, closed)
], { description: `${balanceDescription} ${algorithmDescription}` }))

export const balanceConfig = balance(HashConfig)
/** The same from code, where the key of a hash can be a function. */
export const balanceOption = balance(HashOptions)

/** Keeps a client at its target, by a cookie. */
export const StickyOptions = Type.Object({
  cookie: Type.Optional(text(TOKEN, `must consist of ${TOKEN_CHARACTERS}`, {
    description: 'Name of the cookie. Default: sluice_ and the name of the upstream.'
  })),
  secret: Type.Optional(Type.String({
    minLength: 16, description: 'Key of the HMAC-SHA256 that stands for a target in the cookie, so that the cookie names no address and cannot be made up. Gateways that serve the same clients need the same one. Default: a random one, made at the start, so that clients may change their target when the gateway restarts.'
  })),
  path: Type.Optional(text('^/[!-:<-~]*$', 'must begin with / and have no spaces and no semicolon', { default: '/', description: 'Path of the cookie.' })),
  maxAge: Type.Optional(Type.Integer({ unit: 'seconds', minimum: 1, description: 'Lifetime of the cookie. Seconds. Default: until the browser is closed.' })),
  sameSite: Type.Optional(Type.Union([Type.Literal('Strict'), Type.Literal('Lax'), Type.Literal('None')], {
    default: 'Lax', description: "SameSite of the cookie. 'None' is for clients embedded in other sites, and is sent with Secure."
  })),
  secure: Type.Optional(Type.Boolean({ description: "Whether the cookie is sent over TLS only. Default: whether the client's request came over TLS." }))
}, { ...closed, description: 'A cookie that keeps a client at its target, set on HTTP responses and on the 101 of a WebSocket.' })
export type StickyOptions = types.StickyOptions

export const stickyOption = Type.Optional(Type.Union([Type.Boolean(), StickyOptions], {
  default: false,
  description: 'Whether a cookie keeps a client at its target: true, or an object of options. Clients with HTTP long polling, such as socket.io with its default transports, need it if there is more than one target.'
}))
