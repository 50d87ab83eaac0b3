import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { PendingResponses } from '../pending-responses.js'

type ClientErrorListener = (error: NodeJS.ErrnoException, socket: Duplex) => void

const installed = new WeakMap<Server, LastAnswers>()

/**
 * Keeps the last answer on a connection, to bytes that are no request or to a request that does not come to its
 * end, behind the answers to the requests before it. Fastify and Node write it at once: in the place of an answer
 * that has not begun, or into the body of one that has, whose length it might just fill.
 */
export class LastAnswers {
  readonly #responses: PendingResponses
  readonly #over = new WeakSet<Duplex>()

  /** Those of an app; what listens for client errors by now is called in its turn. */
  static of (app: FastifyInstance): LastAnswers {
    let answers = installed.get(app.server)
    if (answers === undefined) installed.set(app.server, answers = new LastAnswers(app))
    return answers
  }

  private constructor (app: FastifyInstance) {
    const { server } = app
    const listeners = server.rawListeners('clientError') as ClientErrorListener[]
    server.removeAllListeners('clientError')
    this.#responses = PendingResponses.of(server)
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      this.give(socket, () => {
        // Node ends the connection by itself behind an answer that says so.
        if (listeners.length === 0) socket.destroy()
        else if (socket.writable || socket.destroyed) for (const listener of listeners) listener.call(server, error, socket)
      })
    })
    app.addHook('onRequest', (request, reply, done) => {
      if (this.#over.has(request.raw.socket)) reply.hijack()
      else done()
    })
  }

  /**
   * Has a connection's last answer written when its turn has come. Where that is not possible any more, the
   * connection is destroyed. Whatever comes on it from now on has no answer.
   */
  give (socket: Duplex, answer: () => void): void {
    // A parser reports every read behind its first error.
    if (this.#over.has(socket)) return
    this.#over.add(socket)
    const response = this.#responses.newest(socket)
    if (response === undefined) {
      answer()
    } else if (!response.req.complete) {
      // The error is that of its body. Where its answer has begun, or is not the next in turn, there is no room for one.
      if (response.headersSent || response.socket !== socket) socket.destroy()
      else answer()
    } else if (response.writableFinished || response.destroyed) {
      answer()
    } else {
      // The error is that of a later request (RFC 9112 §9.3.2).
      response.once('finish', answer)
    }
  }
}
