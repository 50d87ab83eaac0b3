import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { addResponse, newestResponse } from './response-order.js'
import { ExpectationFailedError } from '../errors.js'
import { errorBody, errorHeaders } from './error-response.js'
import { routedPaths } from './routed-paths.js'
import { framingFault } from '../message/framing.js'
import { prepareTarget } from '../message/request-target.js'

type ClientErrorListener = (error: NodeJS.ErrnoException, socket: Duplex) => void
type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** Connections that have been given their last response. A connection may outlive the server that it came to. */
const over = new WeakSet<Duplex>()
/** Connections with a request whose framing is in doubt; its response is their last. */
const doubtful = new WeakSet<Duplex>()

/**
 * Keeps the last response on a connection, to bytes that are no request or to a request that does not come to its
 * end, behind the responses to the requests before it. Fastify and Node write it at once: in the place of a response
 * that has not begun, or into the body of one that has, whose length it might just fill.
 *
 * Also keeps the requests behind it from being served, and those behind a request whose framing is in doubt, which
 * may be part of its body (RFC 9112 §11.2). Node reads all requests of a packet at once, so that is decided when a
 * request arrives, ahead of every listener: a hook of the app may take its time.
 */
export class LastResponses {
  readonly #server: Server

  /** What listens for requests and client errors by now is called in its turn. */
  constructor (server: Server) {
    this.#server = server
    const listeners = server.rawListeners('clientError') as ClientErrorListener[]
    server.removeAllListeners('clientError')
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      this.give(socket, () => {
        // Node ends the connection by itself behind a response that says so.
        if (listeners.length === 0) socket.destroy()
        else if (socket.writable || socket.destroyed) for (const listener of listeners) listener.call(server, error, socket)
      })
    })
    for (const event of ['request', 'checkContinue', 'checkExpectation']) this.#guard(server, event)
    if (server.listenerCount('checkExpectation') > 0) return
    // Node would respond by itself, without a look at the framing.
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      if (this.admits(request, response) && server.listenerCount('checkExpectation') === 1) refuseExpectation(response)
    })
  }

  #guard (server: Server, event: string): void {
    const listeners = server.rawListeners(event) as RequestListener[]
    if (listeners.length === 0) return
    server.removeAllListeners(event)
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      if (this.admits(request, response)) for (const listener of listeners) listener.call(server, request, response)
    })
  }

  /** Whether a request that has just arrived may be served; if not, it has no response. */
  admits (request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    if (this.isOver(socket)) {
      // A listener for expectations may have it emitted again.
      if (newestResponse(socket) === response) return true
      request.resume()
      return false
    }
    addResponse(response)
    prepareTarget(request, routedPaths(this.#server))
    if (framingFault(request) !== undefined) {
      doubtful.add(socket)
      // Also on a route that serves it: somebody before us may have seen its body end elsewhere.
      response.setHeader('Connection', 'close')
    }
    return true
  }

  /** Whether nothing that comes on a connection is served any more. */
  isOver (socket: Duplex): boolean {
    return over.has(socket) || doubtful.has(socket)
  }

  /**
   * Leaves a connection that Node has handed over, on which nothing is served any more, to the responses that are
   * still to come. The last of them ends it.
   */
  leave (socket: Duplex): void {
    const response = newestResponse(socket)
    if (response === undefined || response.writableFinished || response.destroyed) {
      socket.destroy()
      return
    }
    // Node has taken its own listeners off.
    socket.on('drain', () => response.emit('drain'))
    socket.on('close', () => response.emit('close'))
  }

  /**
   * Has a connection's last response written when its turn has come. Where that is not possible any more, the
   * connection is destroyed. Whatever comes on it from now on has no response.
   */
  give (socket: Duplex, respond: () => void): void {
    // A parser reports every read behind its first error.
    if (over.has(socket)) return
    over.add(socket)
    const response = newestResponse(socket)
    if (response === undefined) {
      respond()
    } else if (!response.req.complete) {
      // The error is that of its body. Where its response has begun, or is not the next in turn, there is no room for one.
      if (response.headersSent || response.socket !== socket) socket.destroy()
      else respond()
    } else if (response.writableFinished || response.destroyed) {
      respond()
    } else {
      // The error is that of a later request (RFC 9112 §9.3.2).
      response.once('finish', respond)
    }
  }
}

function refuseExpectation (response: ServerResponse): void {
  const error = new ExpectationFailedError()
  const body = errorBody(error)
  response.writeHead(error.statusCode!, errorHeaders(body)).end(body)
}
