import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

type ClientErrorListener = (error: NodeJS.ErrnoException, socket: Duplex) => void

const guarded = new WeakSet<Server>()

/**
 * Keeps the answer to bytes that are no request behind the answers to the requests before them. Fastify and
 * Node write it at once: in the place of an answer that has not begun, or into the body of one that has, whose
 * length it might just fill.
 */
export function answerClientErrorsInTurn (server: Server): void {
  if (guarded.has(server)) return
  guarded.add(server)
  /** The latest response of each connection. */
  const latest = new WeakMap<Duplex, ServerResponse>()
  const broken = new WeakSet<Duplex>()
  const listeners = server.rawListeners('clientError') as ClientErrorListener[]
  server.removeAllListeners('clientError')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { latest.set(request.socket, response) })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Whatever comes behind bytes that are no request is reported again.
    if (broken.has(socket)) return
    const answer = (): void => {
      // Node ends the connection by itself behind an answer that says so.
      if (listeners.length === 0) socket.destroy()
      else if (socket.writable || socket.destroyed) for (const listener of listeners) listener.call(server, error, socket)
    }
    const response = latest.get(socket)
    if (response === undefined || response.writableFinished || response.destroyed) return answer()
    broken.add(socket)
    if (response.req.complete) response.once('finish', answer)
    // The latest request has a broken body. Its answer has begun, or is not the next in turn.
    else if (response.headersSent || response.socket !== socket) socket.destroy()
    else answer()
  })
}
