import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'

/**
 * Breaks off a response whose client reads nothing of it for so many milliseconds. A target that is held back
 * for it stands still without a fault of its own, so no limit of its own would end the exchange.
 *
 * @param blocked Whether the client is waited for now.
 */
export function limitStandstill (response: ServerResponse, timeout: number, blocked: () => boolean): void {
  const { socket } = response
  if (socket === null && !response.destroyed && !response.writableFinished) {
    // Its turn comes behind the responses to the requests before it.
    response.once('socket', () => limitStandstill(response, timeout, blocked))
    return
  }
  // The client has left, or is app.inject(), which reads all.
  if (!(socket instanceof Socket)) return
  const before = socket.timeout ?? 0
  // That of the app is stricter.
  if (before > 0 && before <= timeout) return
  // Node's limit on idle sockets starts anew with every byte that the client takes.
  response.setTimeout(timeout, () => { if (blocked()) response.destroy() })
  // Ahead of Node's own listener, which sets the limit for the time between two requests.
  response.prependOnceListener('finish', () => response.setTimeout(before))
}
