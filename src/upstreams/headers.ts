import type { IncomingHttpHeaders } from 'node:http'

/**
 * Which headers pass the gateway: the one place for both legs (DESIGN.md, rule 5).
 *
 * Headers are lists of alternating names and values, as Node's `rawHeaders`, so that order, case and
 * repetition survive.
 */
export type HeaderList = string[]

/** Where a request came from, as far as the app trusts it. */
export interface Forwarding {
  /** The chain of addresses for X-Forwarded-For: the client's first, the peer's last. */
  for: string
  host: string | undefined
  proto: string
  port: string | undefined
}

/** RFC 9110 §7.6.1, and what older agents treat the same way. */
const HOP_BY_HOP = new Set([
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection',
  'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings'
])

/**
 * Headers that a peer cannot have removed by nominating them in Connection: the target would decide
 * without something that the gateway, or a hook of the app, has decided upon.
 */
const NOT_NOMINATED = new Set([
  'authorization', 'content-encoding', 'content-length', 'content-type', 'cookie', 'date', 'forwarded', 'host',
  'location', 'origin', 'set-cookie', 'via', 'x-real-ip', 'x-request-id'
])

/** What Node has answered itself (RFC 9110 §10.1.1). */
const ANSWERED_HERE = 'expect'

const isForwarding = (name: string) => name.startsWith('x-forwarded-') || name === 'forwarded' || name === 'x-real-ip'

/**
 * The headers of a plain request to a target: those of the client less the hop-by-hop ones, with the
 * forwarding headers set anew. A client's own forwarding headers are in `forwarding` where they are trusted.
 */
export function requestHeaders (received: HeaderList, forwarding: Forwarding, targetHost: string): HeaderList {
  const nominated = nominations(received)
  const headers: HeaderList = []
  let hasHost = false
  for (let index = 0; index < received.length; index += 2) {
    const name = received[index]!
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || lower === ANSWERED_HERE || isForwarding(lower)) continue
    if (nominated !== undefined && isNominated(nominated, lower)) continue
    if (lower === 'host') hasHost = true
    headers.push(name, received[index + 1]!)
  }
  // A request of HTTP/1.0 may lack it; HTTP/1.1, which is what we send, may not.
  if (!hasHost) headers.push('Host', targetHost)
  headers.push('X-Forwarded-For', forwarding.for, 'X-Forwarded-Proto', forwarding.proto)
  if (forwarding.host !== undefined) headers.push('X-Forwarded-Host', forwarding.host)
  if (forwarding.port !== undefined) headers.push('X-Forwarded-Port', forwarding.port)
  return headers
}

/** The headers of a handshake: those of a plain request, and the upgrade for this hop. */
export function handshakeHeaders (received: HeaderList, forwarding: Forwarding, targetHost: string): HeaderList {
  const headers = requestHeaders(received, forwarding, targetHost)
  headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  return headers
}

/** The headers of a target's answer that go on to the client: all less the hop-by-hop ones. */
export function responseHeaders (received: HeaderList): HeaderList {
  const nominated = nominations(received)
  const headers: HeaderList = []
  for (let index = 0; index < received.length; index += 2) {
    const name = received[index]!
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower)) continue
    if (nominated !== undefined && isNominated(nominated, lower)) continue
    headers.push(name, received[index + 1]!)
  }
  return headers
}

/** Whether a text can be a header's value, or a reason phrase (RFC 9110 §5.5, RFC 9112 §4). */
export function isFieldValue (text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}

/** The headers of a body whose length is not the one that was announced. */
export function withoutLength (headers: HeaderList): HeaderList {
  return headers.filter((_item, index) => headers[index - index % 2]!.toLowerCase() !== 'content-length')
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

/** All values of a header, in order. */
export function headerValues (headers: HeaderList, name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const candidate = headers[index]!
    if (candidate.length === name.length && candidate.toLowerCase() === name) values.push(headers[index + 1]!)
  }
  return values
}

/** The headers that Connection nominates, or undefined when it names nothing of interest. */
function nominations (headers: HeaderList): Set<string> | undefined {
  let nominated: Set<string> | undefined
  for (const value of headerValues(headers, 'connection')) {
    for (const item of value.split(',')) {
      const name = item.trim().toLowerCase()
      if (name === '' || name === 'close' || name === 'keep-alive' || name === 'upgrade') continue
      nominated ??= new Set()
      nominated.add(name)
    }
  }
  return nominated
}

function isNominated (nominated: Set<string>, name: string): boolean {
  return nominated.has(name) && !NOT_NOMINATED.has(name) && !name.startsWith('sec-websocket-')
}
