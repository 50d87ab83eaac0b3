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

/** A protocol may come with a version (RFC 9110 §7.8). */
function listsLike (value: string): boolean {
  return value.split(',').some(item => /^"?websocket"?(?:\/|$)/i.test(item.trim()))
}
