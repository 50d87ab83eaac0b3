import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'

const NOTHING = Buffer.alloc(0)

/**
 * Calls back when the system has taken all that was written of a response, or nobody takes it any more. A connection
 * that is destroyed before takes along what Node still holds; a client that has seen nothing of a response may send
 * its request again.
 */
export function whenWritten (response: ServerResponse, callback: () => void, waited = false): void {
  const { socket } = response
  if (!(socket instanceof Socket) || socket.destroyed || response.writableLength === 0) return callback()
  if (socket.writableLength > 0) socket.write(NOTHING, () => whenWritten(response, callback, waited))
  // Node 26 gathers the chunks of a turn of the event loop in the response.
  else if (!waited) setImmediate(whenWritten, response, callback, true)
  else callback()
}
