import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const queues = new WeakMap<Socket, Set<ServerResponse>>()

/**
 * Closes a response that waits for its turn behind others when its client leaves. Node closes only the one whose
 * turn it is; the others would wait for ever, and so would their targets.
 */
export function closeWithClient (response: ServerResponse): void {
  // Node itself sees to it.
  if (response.socket !== null) return
  const { socket } = response.req
  let queue = queues.get(socket)
  if (queue === undefined) {
    const created = queue = new Set()
    queues.set(socket, created)
    socket.once('close', () => {
      for (const waiting of created) {
        waiting.destroy()
        waiting.emit('close')
      }
    })
  }
  queue.add(response)
  response.once('socket', () => queue.delete(response))
}
