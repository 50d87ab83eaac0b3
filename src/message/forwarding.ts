import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import type { GatewayOptions, ProxyOptions } from '../options/index.js'
import { isToken, type Forwarding, type HeaderList } from './headers.js'

/** Forwarding headers that a route adds besides X-Forwarded-For, -Host, -Port and -Proto. */
export interface ForwardingPolicy {
  /** Whether the request's id goes on, in X-Request-Id. */
  requestId: boolean
  /** Whether Forwarded goes with X-Forwarded-*. */
  forwarded: boolean
  /** The gateway's name in Via, in requests and in responses; none when undefined. */
  via: string | undefined
  /** Whether Host names the target. */
  hostOfTarget: boolean
  /** What is taken off the path. */
  prefix: string
}

/** The policy for a route. */
export function forwardingPolicy (
  { requestId = true, forwarded = false, via = false }: Pick<GatewayOptions, 'requestId' | 'forwarded' | 'via'>,
  { host, stripPrefix = '' }: Pick<ProxyOptions, 'host' | 'stripPrefix'>
): ForwardingPolicy {
  return {
    requestId,
    forwarded,
    via: via === true ? 'sluice' : via === false ? undefined : via,
    hostOfTarget: host === 'target',
    prefix: withoutSlash(stripPrefix)
  }
}

/**
 * What the forwarding headers of a request say. Fastify's `trustProxy` decides what of the peer's own is
 * believed: without it, everything is set from the connection. What makes no sense is not believed either.
 */
export function forwardingOf (request: FastifyRequest, policy: ForwardingPolicy): Forwarding {
  const { raw: { socket, headers, rawHeaders, httpVersion }, ips } = request
  // A hook may have put another one in the place of the client's.
  const host = clientHost(rawHeaders)
  // A peer on a Unix socket has none.
  const peer = socket.remoteAddress === undefined ? undefined : plainAddress(socket.remoteAddress)
  const hop: Hop = {
    for: peer ?? 'unknown',
    host: host === '' ? undefined : host,
    proto: (socket as TLSSocket).encrypted ? 'https' : 'http'
  }
  const trusted = ips !== undefined && (ips.length > 1 || believedAddresses(request, PROBE).length > 1)
  const claimed = trusted ? claimedBy(headers, hop, ips) : hop
  return {
    for: claimed.for,
    host: claimed.host,
    proto: claimed.proto,
    port: (trusted ? claimedPort(headers, claimed) : undefined) ?? socket.localPort?.toString(),
    prefix: ((trusted ? claimedPrefix(headers) : '') + policy.prefix) || undefined,
    trusted,
    forwarded: policy.forwarded ? forwarded(trusted ? believedElements(request) : [], hop, claimed) : undefined,
    via: policy.via === undefined ? undefined : `${httpVersion} ${policy.via}`,
    requestId: policy.requestId && isHeaderText(request.id) ? request.id : undefined,
    hostOfTarget: policy.hostOfTarget
  }
}

/** The first Host of a request; nearly always it is the first header. */
function clientHost (rawHeaders: HeaderList): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 4 && name.toLowerCase() === 'host') return rawHeaders[index + 1]
  }
  return undefined
}

/** One hop of a request: who made it, and what was asked for. */
interface Hop { for: string, host: string | undefined, proto: string }

/** Names and addresses as they stand in URLs, with or without a port. */
const HOST = /^(?:[\w.~%-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i
/** Some proxies name the scheme of a handshake. */
const PROTO = /^(?:http|ws)s?$/i
const PORT = /^[1-9]\d{0,4}$/
const PREFIX = /^(?:\/[\w.~!$&'()*+;=:@%-]+)+\/?$/
/** What can be an address, perhaps with a port, or stand for one. */
const ADDRESS = /^[\w.:[\]%-]+$/
/** Any address: it is the peer that is asked about. */
const PROBE = '192.0.2.1'

/** What X-Forwarded-For, -Host and -Proto of a trusted peer say, as far as it makes sense. */
function claimedBy (headers: IncomingHttpHeaders, hop: Hop, ips: string[]): Hop {
  // From the peer back to the first address that is not trusted. What stands before that one in X-Forwarded-For
  // is hearsay, so it is not passed on; nor is what stands before something that is no address.
  const claimed = ips.slice(1)
  const garbage = claimed.findIndex(address => !ADDRESS.test(address))
  const chain = claimed.slice(0, garbage === -1 ? undefined : garbage).reverse().map(plainAddress)
  // A peer without an address adds nothing.
  if (hop.for !== 'unknown' || chain.length === 0) chain.push(hop.for)
  const host = lastOf(headers['x-forwarded-host'])
  const proto = lastOf(headers['x-forwarded-proto'])
  return {
    for: chain.join(', '),
    host: HOST.test(host) ? host : hop.host,
    proto: PROTO.test(proto) ? proto : hop.proto
  }
}

/** The port that the client has used, as a trusted peer says or implies it; undefined when it does neither. */
function claimedPort (headers: IncomingHttpHeaders, { host, proto }: Hop): string | undefined {
  const port = lastOf(headers['x-forwarded-port'])
  if (PORT.test(port)) return port
  if (headers['x-forwarded-host'] === undefined && headers['x-forwarded-proto'] === undefined) return undefined
  return /:(\d+)$/.exec(host ?? '')?.[1] ?? (proto.toLowerCase().endsWith('s') ? '443' : '80')
}

/** What a trusted peer has taken off the path. */
function claimedPrefix (headers: IncomingHttpHeaders): string {
  const prefix = headers['x-forwarded-prefix']
  return typeof prefix === 'string' && PREFIX.test(prefix) ? withoutSlash(prefix) : ''
}

/** What the nearest proxy has added, which is what Fastify takes too, for request.host and request.protocol. */
function lastOf (list: string | string[] | undefined): string {
  if (list === undefined) return ''
  const text = String(list)
  return text.slice(text.lastIndexOf(',') + 1).trim()
}

/**
 * The peer's address and those that Fastify would believe if they stood in X-Forwarded-For. Its `trustProxy` can
 * be read nowhere, so it is asked about a request that only differs in this header.
 */
function believedAddresses (request: FastifyRequest, list: string): string[] {
  const raw = { socket: request.raw.socket, headers: { 'x-forwarded-for': list } }
  return (Object.create(request, { raw: { value: raw } }) as FastifyRequest).ips!
}

// ---- Forwarded (RFC 7239)

const WELL_QUOTED = /^(?:[^"]|"(?:[^"\\]|\\.)*")*$/
/** Elements of Forwarded: what is between commas that do not stand in quotes. */
const ELEMENT = /(?:[^,"]|"(?:[^"\\]|\\.)*")+/g
const PARAMETER = /(?:[^;"]|"(?:[^"\\]|\\.)*")+/g
/** The address in the parameter `for`, without brackets and port. */
const FOR = /^\s*for="?(?:\[([^\]]*)\]|([^":]*))/i

/** The elements of a trusted peer's Forwarded, back to the first one that was added for somebody who is not trusted. */
function believedElements (request: FastifyRequest): string[] {
  const { forwarded = '' } = request.headers
  // With a quotation mark too many, a client could have hidden what its proxy added in a text of its own.
  const elements = WELL_QUOTED.test(forwarded) ? forwarded.match(ELEMENT) : null
  if (elements === null) return []
  const addresses = elements.map(element => {
    const [, ipv6, other] = element.match(PARAMETER)?.map(parameter => FOR.exec(parameter)).find(found => found !== null) ?? []
    return (ipv6 ?? other ?? '').trim() || 'unknown'
  })
  const believed = believedAddresses(request, addresses.join(', ')).length - 1
  return elements.slice(elements.length - believed).map(element => element.trim())
}

/** @param elements Those of a trusted peer. Where it sends none, X-Forwarded-* say what is known. */
function forwarded (elements: string[], hop: Hop, claimed: Hop): string {
  if (elements.length > 0) return [...elements, element(hop)].join(', ')
  const [client, ...proxies] = claimed.for.split(', ')
  return [element({ ...claimed, for: client! }), ...proxies.map(proxy => `for=${node(proxy)}`)].join(', ')
}

function element ({ for: address, host, proto }: Hop): string {
  return `for=${node(address)}${host === undefined ? '' : `;host=${quoted(host)}`};proto=${proto}`
}

/** RFC 7239 §6. */
function node (address: string): string {
  if (isIP(address) === 6) return `"[${address}]"`
  // An address with its port; what is neither has no place there.
  return isIP(address.replace(/:\d+$|^\[|\](?::\d+)?$/g, '')) === 0 ? 'unknown' : quoted(address)
}

function quoted (value: string): string {
  return isToken(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}

// ---- Texts

/** An IPv4 address that arrived on an IPv6 socket, in its usual form; an IPv6 address without its zone, which is ours alone. */
function plainAddress (address: string): string {
  if (!address.includes(':')) return address
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address.replace(/%.*/, '')
}

function withoutSlash (path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/** An id that an app has made may be anything. */
function isHeaderText (value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
}
