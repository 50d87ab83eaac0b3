import type { Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { inContext } from '../net/async-context.js'

const installed = new WeakMap<Server, PendingResponses>()

/** The responses that a server owes on each of its connections: a client may send requests ahead (RFC 9112 §9.3.2). */
export class PendingResponses {
  /** The newest of each connection. The earlier ones are done, or come before it. */
  readonly #newest = new WeakMap<Duplex, ServerResponse>()
  /** Those of a connection on which a request came before the response to another was done. */
  readonly #queues = new WeakMap<Duplex, ServerResponse[]>()

  /** Those of a server. It has one, in however many scopes of an app the plugin is registered. */
  static of (server: Server): PendingResponses {
    let responses = installed.get(server)
    if (responses === undefined) installed.set(server, responses = new PendingResponses())
    return responses
  }

  /** A request has arrived. */
  add (response: ServerResponse): void {
    const { socket } = response.req
    const newest = this.#newest.get(socket)
    this.#newest.set(socket, response)
    if (newest === undefined || isDone(newest)) return
    let queue = this.#queues.get(socket)
    if (queue === undefined) this.#queues.set(socket, queue = [newest])
    while (queue.length > 0 && isDone(queue[0]!)) queue.shift()
    queue.push(response)
  }

  newest (socket: Duplex): ServerResponse | undefined {
    return this.#newest.get(socket)
  }

  /**
   * Calls back once all responses of a connection that Node's HTTP server has let go are done, or it is gone.
   *
   * @returns False when there are none.
   */
  wait (socket: Duplex, done: () => void): boolean {
    const newest = this.#newest.get(socket)
    if (newest === undefined || isDone(newest)) return false
    const queue = [...this.#queues.get(socket) ?? [], newest]
    // Node forwards 'drain' to the responses of its own connections alone.
    const onDrain = (): void => { queue.find(response => response.socket === socket)?.emit('drain') }
    // An earlier request whose body is still being read has the connection flow; nothing behind it may get lost.
    // Reading nothing tells the end of a client that has left, as Node tells it of its own connections.
    const hold = (): void => { if (socket.readableLength === 0) socket.read(0) }
    const onEnd = (): void => { socket.destroy() }
    // The last response ends in a context of its own.
    const finish = inContext(() => {
      newest.off('close', finish)
      socket.off('close', finish).off('drain', onDrain).off('readable', hold).off('end', onEnd)
      // Node has stopped reading a connection whose request's body was held back, and left its stream believing that a
      // read is under way. Node documents that a chunk without bytes ends that.
      if (!socket.destroyed) socket.push('')
      done()
    })
    newest.once('close', finish)
    socket.once('close', finish).on('drain', onDrain).on('readable', hold).on('end', onEnd)
    return true
  }
}

/** Whether Node is done with a response, too. A client may have got all of it before that. */
function isDone (response: ServerResponse): boolean {
  return response.destroyed
}
