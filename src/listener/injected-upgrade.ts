import { IncomingMessage, type IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * The request of an 'upgrade' event as Node makes it.
 *
 * `app.injectWS()` of @fastify/websocket emits the event without a connection, with an object that has a method, a URL
 * and headers, and nothing else. Everybody gets a whole request in its place, neighbours too, so that all of them know
 * it as the same one.
 */
export function completed (request: IncomingMessage, socket: Duplex): IncomingMessage {
  if (request instanceof IncomingMessage) return request
  const { method, url, httpVersion = '1.1', headers, socket: given, ...others } = request as Partial<IncomingMessage>
  const whole = new IncomingMessage(socket as Socket)
  // Symbols included, under which @fastify/websocket keeps the connection. What is the message's own stays.
  for (const key of Reflect.ownKeys(others)) {
    if (!(key in whole)) Reflect.set(whole, key, Reflect.get(others, key))
  }
  const [major, minor] = httpVersion.split('.').map(Number)
  const names = Object.keys(headers ?? {}).map(name => name.toLowerCase())
  // As app.inject() has it; a request of HTTP/1.1 must have one.
  const lines = Object.entries({ ...!names.includes('host') && { host: 'localhost:80' }, ...headers }).flatMap(([name, value]) => [value ?? []].flat().map(item => [name, String(item)] as const))
  Object.assign(whole, { method, url, httpVersion, httpVersionMajor: major, httpVersionMinor: minor, complete: true, rawHeaders: lines.flat() })
  whole.headers = headersOf(lines)
  if (given !== undefined) addAddresses(socket, given)
  whole.push(null)
  return whole
}

/** The headers by name, as Node has them. */
function headersOf (lines: ReadonlyArray<readonly [name: string, value: string]>): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {}
  for (const [name, value] of lines) {
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${String(headers[key])}${key === 'cookie' ? '; ' : ', '}${value}`
  }
  return headers
}

/** A test may say where its client is: `injectWS('/', { socket: { remoteAddress: '10.0.0.1' } })`. */
function addAddresses (socket: Duplex, given: Partial<Socket>): void {
  for (const key of ['remoteAddress', 'remotePort', 'remoteFamily'] as const) {
    if (given[key] !== undefined) Object.defineProperty(socket, key, { value: given[key], configurable: true })
  }
}
