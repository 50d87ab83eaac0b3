import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { inContext } from '../net/async-context.js'

/*
 * The responses that are owed on each connection: a client may send requests ahead (RFC 9112 §9.3.2). They are known by
 * connection, which may outlive the server that it came to.
 */

/** The newest of each connection. The earlier ones are done, or come before it. */
const newest = new WeakMap<Duplex, ServerResponse>()
/** Those of a connection on which a request came before the response to another was done. */
const queues = new WeakMap<Duplex, ServerResponse[]>()

/** A request has arrived. */
export function addResponse (response: ServerResponse): void {
  const { socket } = response.req
  const last = newest.get(socket)
  if (last === response) return
  newest.set(socket, response)
  if (last === undefined || isDone(last)) return
  let queue = queues.get(socket)
  if (queue === undefined) queues.set(socket, queue = [last])
  while (queue.length > 0 && isDone(queue[0]!)) queue.shift()
  queue.push(response)
}

/** The response to the newest request of a connection. */
export function newestResponse (socket: Duplex): ServerResponse | undefined {
  return newest.get(socket)
}

/**
 * Calls back once all responses of a connection that Node's HTTP server has let go are done, or it is gone.
 *
 * @returns False when there are none.
 */
export function waitForResponses (socket: Duplex, done: () => void): boolean {
  const last = newest.get(socket)
  if (last === undefined || isDone(last)) return false
  const queue = [...queues.get(socket) ?? [], last]
  // Node forwards 'drain' to the responses of its own connections alone.
  const onDrain = (): void => { queue.find(response => response.socket === socket)?.emit('drain') }
  // An earlier request whose body is still being read has the connection flow; nothing behind it may get lost.
  // Reading nothing tells the end of a client that has left, as Node tells it of its own connections.
  const hold = (): void => { if (socket.readableLength === 0) socket.read(0) }
  const onEnd = (): void => { socket.destroy() }
  // The last response ends in a context of its own.
  const finish = inContext(() => {
    last.off('close', finish)
    socket.off('close', finish).off('drain', onDrain).off('readable', hold).off('end', onEnd)
    // Node has stopped reading a connection whose request's body was held back, and left its stream believing that a
    // read is under way. Node documents that a chunk without bytes ends that.
    if (!socket.destroyed) socket.push('')
    done()
  })
  last.once('close', finish)
  socket.once('close', finish).on('drain', onDrain).on('readable', hold).on('end', onEnd)
  return true
}

/** Whether Node is done with a response, too. A client may have got all of it before that. */
function isDone (response: ServerResponse): boolean {
  return response.destroyed
}
