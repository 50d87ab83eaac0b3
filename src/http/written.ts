import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'

const NOTHING = Buffer.alloc(0)

/**
 * Calls back when the system has taken all that was written of a response, or nobody takes it any more. A connection
 * that is destroyed before takes along what Node still holds; a client that has seen nothing of a response may send
 * its request again.
 */
export function whenWritten ({ socket }: ServerResponse, callback: () => void): void {
  if (!(socket instanceof Socket) || socket.destroyed || socket.writableLength === 0) callback()
  else socket.write(NOTHING, () => callback())
}
