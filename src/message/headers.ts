import type { IncomingHttpHeaders } from 'node:http'
import { RequestInvalidError } from '../errors.js'

/**
 * Which headers pass the gateway: the one place for both legs (ARCHITECTURE.md, rule 5).
 *
 * Headers are lists of alternating names and values, as Node's `rawHeaders`, so that order, case and
 * repetition survive.
 */
export type HeaderList = string[]

/** Where a request came from, for the target, as far as the app trusts it. */
export interface Forwarding {
  /** The chain of addresses for X-Forwarded-For: the client's first, the peer's last. */
  for: string
  host: string | undefined
  proto: string
  port: string | undefined
  /** What has been taken off the path, for X-Forwarded-Prefix. */
  prefix?: string | undefined
  /** Whether the peer is trusted: then what else it says in X-Forwarded-* and X-Real-IP goes on. Default: false. */
  trusted?: boolean
  /** The value of Forwarded (RFC 7239). */
  forwarded?: string | undefined
  /** The gateway's part of Via. */
  via?: string | undefined
  /** Takes the place of the client's X-Request-Id, which else goes on. */
  requestId?: string | undefined
  /** Whether Host names the target. Default: false, it is the client's. */
  hostOfTarget?: boolean
}

/**
 * What becomes of a header. `hop`, `connection` and `te` are hop-by-hop (RFC 9110 §7.6.1, and what older agents
 * treat the same way); the others are special in requests alone.
 *
 * `single` and `first` have one value (RFC 9110 §5.3). Node gives hooks the first of several, and a target may take
 * the last, so of `first` that one goes on; several of `single`, which decide who asks, or for what, are refused.
 */
type Rule = 'hop' | 'connection' | 'te' | 'expect' | 'host' | 'set-anew' | 'trusted' | 'request-id' | 'single' | 'first'

const RULES: Record<string, Rule> = {
  connection: 'connection',
  'http2-settings': 'hop',
  'keep-alive': 'hop',
  'proxy-authenticate': 'hop',
  'proxy-authorization': 'hop',
  'proxy-connection': 'hop',
  te: 'te',
  trailer: 'hop',
  'transfer-encoding': 'hop',
  upgrade: 'hop',
  // Node has sent the 100 itself (RFC 9110 §10.1.1).
  expect: 'expect',
  host: 'host',
  forwarded: 'set-anew',
  // Behind CGI it becomes HTTP_PROXY, which clients of HTTP take for a setting (CVE-2016-5385).
  proxy: 'set-anew',
  'x-forwarded-for': 'set-anew',
  'x-forwarded-host': 'set-anew',
  'x-forwarded-port': 'set-anew',
  'x-forwarded-prefix': 'set-anew',
  'x-forwarded-proto': 'set-anew',
  'x-real-ip': 'trusted',
  'x-request-id': 'request-id',
  authorization: 'single',
  'content-length': 'single',
  'content-type': 'single',
  'if-modified-since': 'single',
  'if-unmodified-since': 'single',
  origin: 'single',
  from: 'first',
  'max-forwards': 'first',
  referer: 'first',
  'user-agent': 'first'
}

/** The rules by the letter that a name begins with: most headers need no further look. */
const RULES_BY_LETTER: Array<Array<[name: string, rule: Rule]> | undefined> = new Array(32).fill(undefined)
for (const [name, rule] of Object.entries(RULES)) (RULES_BY_LETTER[letterOf(name)] ??= []).push([name, rule])

const [F, R, X] = ['f', 'r', 'x'].map(letter => letterOf(letter))

/**
 * Headers that a peer cannot have removed by nominating them in Connection: the target would decide
 * without something that the gateway, or a hook of the app, has decided upon. The other headers that are
 * meant for all recipients may not be nominated either (RFC 9110 §7.6.1), but nobody is harmed by it.
 */
const NOT_NOMINATED = new Set([
  'authorization', 'cache-control', 'content-encoding', 'content-length', 'content-range', 'content-type', 'cookie', 'date',
  'forwarded', 'host', 'location', 'origin', 'range', 'set-cookie', 'vary', 'via', 'www-authenticate', 'x-real-ip', 'x-request-id'
])

/**
 * The headers of a plain request to a target: those of the client less the hop-by-hop ones, with the
 * forwarding headers and those of this hop set anew. A client's own forwarding headers are in `forwarding` where they are trusted.
 */
export function requestHeaders (received: HeaderList, forwarding: Forwarding, targetHost: string): HeaderList {
  return headersOf(received, forwarding, targetHost, 'request')
}

/** The headers of a handshake: those of a plain request, and the upgrade for this hop. */
export function handshakeHeaders (received: HeaderList, forwarding: Forwarding, targetHost: string): HeaderList {
  return headersOf(received, forwarding, targetHost, 'handshake')
}

/**
 * The headers of a target's response that go on to the client: all less the hop-by-hop ones.
 *
 * @param via The name of the gateway in Via; none when left out.
 */
export function responseHeaders (received: HeaderList, via?: string): HeaderList {
  let nominated: Set<string> | undefined
  let headers: HeaderList = []
  for (let index = 0; index < received.length; index += 2) {
    const name = received[index]!
    const rule = ruleOf(name)
    if (rule === 'hop' || rule === 'te') continue
    if (rule === 'connection') nominated = nominations(received[index + 1]!, nominated)
    else headers.push(name, received[index + 1]!)
  }
  if (nominated !== undefined) headers = withoutNominated(headers, nominated)
  // Targets are spoken to in this version; a target that responds in an older one is not treated differently.
  if (via !== undefined) headers.push('Via', `1.1 ${via}`)
  return headers
}

function headersOf (received: HeaderList, forwarding: Forwarding, targetHost: string, kind: 'request' | 'handshake'): HeaderList {
  let nominated: Set<string> | undefined
  let headers: HeaderList = []
  let hasHost = false
  let wantsTrailers = false
  for (let index = 0; index < received.length; index += 2) {
    const name = received[index]!
    let value = received[index + 1]!
    const rule = ruleOf(name)
    switch (rule) {
      case undefined:
        break
      case 'single':
      case 'first':
        if (!hasHeader(headers, name)) break
        if (rule === 'first') continue
        throw new RequestInvalidError(`${name} is there more than once`)
      case 'host':
        hasHost = true
        if (forwarding.hostOfTarget === true) value = targetHost
        break
      case 'connection':
        nominated = nominations(value, nominated)
        continue
      case 'te':
        wantsTrailers ||= listsToken(value, 'trailers')
        continue
      case 'trusted':
        if (forwarding.trusted !== true) continue
        break
      case 'request-id':
        if (forwarding.requestId !== undefined) continue
        break
      default:
        continue
    }
    headers.push(name, value)
  }
  // None of the following can be nominated away.
  if (nominated !== undefined) headers = withoutNominated(headers, nominated)
  // A request of HTTP/1.0 may lack it; HTTP/1.1, which is what we send, may not.
  if (!hasHost) headers.push('Host', targetHost)
  headers.push('X-Forwarded-For', forwarding.for, 'X-Forwarded-Proto', forwarding.proto)
  if (forwarding.host !== undefined) headers.push('X-Forwarded-Host', forwarding.host)
  if (forwarding.port !== undefined) headers.push('X-Forwarded-Port', forwarding.port)
  if (forwarding.prefix !== undefined) headers.push('X-Forwarded-Prefix', forwarding.prefix)
  if (forwarding.forwarded !== undefined) headers.push('Forwarded', forwarding.forwarded)
  if (forwarding.via !== undefined) headers.push('Via', forwarding.via)
  if (forwarding.requestId !== undefined) headers.push('X-Request-Id', forwarding.requestId)
  // What this hop says of its own.
  if (kind === 'handshake') headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  else if (wantsTrailers) headers.push('TE', 'trailers', 'Connection', 'keep-alive, TE')
  else headers.push('Connection', 'keep-alive')
  return headers
}

/**
 * The rule for a header; undefined for one that passes. It runs for every header of every message.
 *
 * In requests, `Content_Length` and its like are dropped: behind CGI they would take the place of a header that has
 * a rule (RFC 3875 §4.1.18).
 */
function ruleOf (name: string): Rule | undefined {
  const letter = letterOf(name)
  if (letter === X) return ruleOfX(name)
  const candidates = RULES_BY_LETTER[letter]
  if (candidates === undefined) return undefined
  for (let index = 0; index < candidates.length; index++) {
    const [candidate, rule] = candidates[index]!
    if (candidate.length !== name.length) continue
    const lower = name.toLowerCase()
    if (candidate === lower) return rule
    if (candidate === foldedName(lower)) return 'set-anew'
  }
  return undefined
}

/**
 * The rule for an X- header. A target behind CGI, WSGI or Rack may not tell an underscore or a dot from a hyphen, so
 * a client must not get around the rules with one.
 */
function ruleOfX (name: string): Rule | undefined {
  const letter = letterOf(name, 2)
  if (letter !== F && letter !== R) return undefined
  const lower = foldedName(name)
  return RULES[lower] ?? (lower.startsWith('x-forwarded') ? 'trusted' : undefined)
}

/** What would change how a message is framed, routed, understood or allowed, and is no trailer (RFC 9110 §6.5.1). */
const NO_TRAILERS = [
  'age', 'authorization', 'cache-control', 'content-encoding', 'content-length', 'content-range', 'content-type', 'cookie',
  'date', 'expires', 'host', 'location', 'max-forwards', 'range', 'retry-after', 'set-cookie', 'vary', 'www-authenticate'
]

/** The trailers of a message, either way, that go on. */
export function trailerHeaders (received: HeaderList): HeaderList {
  return received.length === 0
    ? received
    : withoutHeaders(responseHeaders(received), NO_TRAILERS).filter((_item, index, kept) => ruleOf(kept[index - index % 2]!) === undefined)
}

/** A header list without some, named in lower case. */
export function withoutHeaders (headers: HeaderList, names: readonly string[]): HeaderList {
  return headers.filter((_item, index) => !names.includes(headers[index - index % 2]!.toLowerCase()))
}

/** Whether a comma-separated header value lists `token` (RFC 9110 §5.6.1), in lower case. */
export function listsToken (value: string | undefined, token: string): boolean {
  if (value === undefined) return false
  // The usual case without a split.
  if (value.length === token.length) return value.toLowerCase() === token
  return value.split(',').some(item => item.trim().toLowerCase() === token)
}

/** Whether a message with these headers can have a body (RFC 9112 §6.3). */
export function hasBody (headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined ||
    (headers['content-length'] !== undefined && headers['content-length'] !== '0')
}

/** Whether a list has a header of this name, in whatever case. */
function hasHeader (headers: HeaderList, name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const candidate = headers[index]!
    if (candidate.length === name.length && candidate.toLowerCase() === name.toLowerCase()) return true
  }
  return false
}

/** As `hasBody()`, from the headers as they came: hooks may have changed the others. It runs for every request. */
export function announcesBody (rawHeaders: HeaderList): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return true
    if (name.length === 14 && name.toLowerCase() === 'content-length' && rawHeaders[index + 1] !== '0') return true
  }
  return false
}

/** Where a header stands in a list, from a place on; -1 where it does not. `name` is in lower case. */
export function headerIndex (headers: HeaderList, name: string, from = 0): number {
  for (let index = from; index < headers.length; index += 2) {
    const candidate = headers[index]!
    if (candidate.length === name.length && candidate.toLowerCase() === name) return index
  }
  return -1
}

/** All values of a header, in order. */
export function headerValues (headers: HeaderList, name: string): string[] {
  const values: string[] = []
  for (let index = headerIndex(headers, name); index !== -1; index = headerIndex(headers, name, index + 2)) values.push(headers[index + 1]!)
  return values
}

/** A name as CGI (RFC 3875 §4.1.18), and what is made after it, tells it from others: by letters and digits alone. */
export function foldedName (name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/** RFC 9110 §5.6.2: what can be the name of a header, a method or a subprotocol. */
export function isToken (text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)
}

/** RFC 9110 §5.5: visible characters, spaces and tabs. */
export function isHeaderValue (value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

/** A header list as pairs of name and value. */
export function headerPairs (headers: HeaderList): Array<[string, string]> {
  const pairs: Array<[string, string]> = []
  for (let index = 0; index < headers.length; index += 2) pairs.push([headers[index]!, headers[index + 1]!])
  return pairs
}

/** A letter as a number below 32, whatever its case. */
function letterOf (name: string, index = 0): number {
  return name.charCodeAt(index) & 0x1f
}

/** Adds the headers that a Connection header nominates; undefined as long as there are none. */
function nominations (value: string, nominated: Set<string> | undefined): Set<string> | undefined {
  // Nearly always it is one of these.
  if (value === 'keep-alive' || value === 'close' || value === 'Upgrade') return nominated
  for (const item of value.split(',')) {
    const name = item.trim().toLowerCase()
    if (name !== '' && !NOT_NOMINATED.has(name) && !/^(?:sec-websocket|x-forwarded)-/.test(name)) (nominated ??= new Set()).add(name)
  }
  return nominated
}

function withoutNominated (headers: HeaderList, nominated: Set<string>): HeaderList {
  return headers.filter((_item, index) => !nominated.has(headers[index - index % 2]!.toLowerCase()))
}
