import type { IncomingMessage } from 'node:http'
import { listsToken } from './headers.js'

/**
 * Whether a request asks for a WebSocket, well formed or not. Anything else with an Upgrade header is plain HTTP. It is
 * asked before the hooks and behind them, so what came counts, not what they have made of it.
 *
 * @param strict False takes `websocket/13` and `"websocket"` for the same.
 */
export function asksForWebSocket ({ rawHeaders }: IncomingMessage, strict = true): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 7 && name.toLowerCase() === 'upgrade' && (listsToken(rawHeaders[index + 1], 'websocket') || (!strict && listsLike(rawHeaders[index + 1]!)))) return true
  }
  return false
}

/** Whether a request for a WebSocket is a handshake by its form (RFC 6455 §4.1), not some request with an Upgrade header. */
export function isHandshake (request: IncomingMessage): boolean {
  const { 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers
  return request.method === 'GET' && key !== undefined && version !== undefined && asksForWebSocket(request)
}

/** A protocol may come with a version (RFC 9110 §7.8). */
function listsLike (value: string): boolean {
  return value.split(',').some(item => /^"?websocket"?(?:\/|$)/i.test(item.trim()))
}
