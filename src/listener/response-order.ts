import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { inContext } from '../net/async-context.js'

/** Responses of one client that wait behind others, at which no more requests are read from it. */
const MANY = 100

/** A connection may outlive the server that it came to. */
const orders = new WeakMap<Duplex, ResponseOrder>()

/** The responses that are due on a connection: a client may send requests ahead (RFC 9112 §9.3.2). */
class ResponseOrder {
  readonly #socket: Duplex
  /** Those that were not done when the next request came. */
  #queue: ServerResponse[] | undefined
  /** Those that wait for their turn. */
  #waiting: Set<ServerResponse> | undefined
  /** The response to the newest request. The earlier ones are done, or come before it. */
  newest: ServerResponse

  constructor (socket: Duplex, first: ServerResponse) {
    this.#socket = socket
    this.newest = first
  }

  add (response: ServerResponse): void {
    const last = this.newest
    if (last === response) return
    this.newest = response
    if (isDone(last)) return
    const queue = this.#queue ??= [last]
    while (queue.length > 0 && isDone(queue[0]!)) queue.shift()
    queue.push(response)
  }

  whenInTurn (response: ServerResponse, onTurn: () => void): void {
    const waiting = this.#waiting ??= this.#startWaiting()
    waiting.add(response)
    response.once('socket', () => {
      waiting.delete(response)
      if (waiting.size === MANY - 1) this.#socket.resume()
      // The connection of the request before is free for another from the next turn of the event loop on.
      setImmediate(onTurn)
    })
    // Requests that have been read along with these, 64 KiB of them at most, still come.
    if (waiting.size >= MANY) this.#socket.pause()
  }

  #startWaiting (): Set<ServerResponse> {
    const waiting = new Set<ServerResponse>()
    // Node closes only the response whose turn it is. The others would wait for ever.
    this.#socket.once('close', () => {
      for (const response of waiting) {
        response.destroy()
        response.emit('close')
      }
    })
    // Node resumes a connection when a request has ended.
    this.#socket.on('resume', () => { if (waiting.size >= MANY) this.#socket.pause() })
    return waiting
  }

  whenDone (done: () => void): void {
    const last = this.newest
    const socket = this.#socket
    const queue = [...this.#queue ?? [], last]
    // Node forwards 'drain' to the responses of its own connections alone.
    const onDrain = (): void => { queue.find(response => response.socket === socket)?.emit('drain') }
    // An earlier request whose body is still being read has the connection flow; nothing behind it may get lost.
    // A read of nothing notices the end of a client that has left, as Node does on its own connections.
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
  }
}

/** A request has arrived. */
export function addResponse (response: ServerResponse): void {
  const order = orders.get(response.req.socket)
  if (order === undefined) begin(response)
  else order.add(response)
}

function begin (response: ServerResponse): ResponseOrder {
  const { socket } = response.req
  const order = new ResponseOrder(socket, response)
  orders.set(socket, order)
  return order
}

/** The response to the newest request of a connection. */
export function newestResponse (socket: Duplex): ServerResponse | undefined {
  return orders.get(socket)?.newest
}

/** Whether the responses to the requests before it on its connection are done, or nobody waits for it any more. */
export function isInTurn ({ socket, req }: ServerResponse): boolean {
  return socket !== null || req.socket.destroyed
}

/**
 * Waits until the responses to the requests before it on its connection are done. Where the client leaves before,
 * the response is closed, and the turn never comes.
 */
export function whenInTurn (response: ServerResponse, onTurn: () => void): void {
  const order = orders.get(response.req.socket) ?? begin(response)
  // The event comes out of the request before.
  order.whenInTurn(response, inContext(onTurn))
}

/**
 * Calls back once all responses of a connection that Node's HTTP server has let go are done, or it is gone.
 *
 * @returns False when there are none.
 */
export function waitForResponses (socket: Duplex, done: () => void): boolean {
  const order = orders.get(socket)
  if (order === undefined || isDone(order.newest)) return false
  order.whenDone(done)
  return true
}

/** Whether Node is done with a response, too. A client may have got all of it before that. */
function isDone (response: ServerResponse): boolean {
  return response.destroyed
}
