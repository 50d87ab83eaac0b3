import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { inContext } from '../net/async-context.js'

/** Responses of one client that wait behind others, at which no more requests are read from it. */
const MANY = 100

const queues = new WeakMap<Socket, ResponseQueue>()

/** Whether the responses to the requests before it on its connection are done, or nobody waits for it any more. */
export function isInTurn ({ socket, req }: ServerResponse): boolean {
  return socket !== null || req.socket.destroyed
}

/**
 * Waits until the responses to the requests before it on its connection are done. Where the client leaves before,
 * the response is closed, and the turn never comes.
 */
export function whenInTurn (response: ServerResponse, onTurn: () => void): void {
  const { socket } = response.req
  let queue = queues.get(socket)
  if (queue === undefined) queues.set(socket, queue = new ResponseQueue(socket))
  // The event comes out of the request before.
  queue.add(response, inContext(onTurn))
}

/** The responses of a connection that wait for their turn (RFC 9112 §9.3.2). */
class ResponseQueue {
  readonly #socket: Socket
  readonly #waiting = new Set<ServerResponse>()
  #watchesReads = false

  constructor (socket: Socket) {
    this.#socket = socket
    // Node closes only the response whose turn it is. The others would wait for ever.
    socket.once('close', () => {
      for (const waiting of this.#waiting) {
        waiting.destroy()
        waiting.emit('close')
      }
    })
  }

  add (response: ServerResponse, onTurn: () => void): void {
    this.#waiting.add(response)
    response.once('socket', () => {
      this.#waiting.delete(response)
      if (this.#waiting.size === MANY - 1) this.#socket.resume()
      // The connection of the request before is free for another from the next turn of the event loop on.
      setImmediate(onTurn)
    })
    if (this.#waiting.size >= MANY) this.#stopReading()
  }

  /** Requests that have been read along with these, 64 KiB of them at most, still come. */
  #stopReading (): void {
    this.#socket.pause()
    if (this.#watchesReads) return
    this.#watchesReads = true
    // Node resumes it when a request has ended.
    this.#socket.on('resume', () => { if (this.#waiting.size >= MANY) this.#socket.pause() })
  }
}
