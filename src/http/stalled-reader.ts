import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/**
 * Breaks off an answer whose client reads nothing of it for so many milliseconds. A target that is held back
 * for it stands still without a fault of its own, so no limit of its own would end the exchange.
 */
export function limitStandstill (response: ServerResponse, body: Readable, timeout: number): void {
  const { socket } = response
  // The client has left, or is app.inject(), which reads all.
  if (!(socket instanceof Socket)) return
  // That of the app, if it has one.
  const before = socket.timeout ?? 0
  const end = () => { socket.destroy() }
  // Node's limit on idle sockets starts anew with every byte that the client takes, and every one that it sends.
  const wait = () => { socket.off('timeout', end).setTimeout(timeout, end) }
  const leave = () => { socket.off('timeout', end).setTimeout(before) }
  body.on('pause', wait).on('resume', leave)
  // What is left then is on its way out, and nobody pauses any more.
  body.once('end', () => { if (response.writableLength > 0) wait() })
  // When it has finished, Node sets the limit between two requests.
  response.once('close', () => socket.off('timeout', end))
}
