import type { Server } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { cut } from './cut-connections.js'

const installed = new WeakMap<Server, OpenConnections>()

/** How long a connection may take to close that has been destroyed, in milliseconds. */
const CLOSE_TIMEOUT = 1_000

/**
 * Knows the connections of a server, of whatever kind it is, to end them when it closes. Node waits for all, and knows
 * only those idle that have been used: not one on which nothing has come yet, such as browsers and clients with a
 * pool open ahead of their requests; not one that has left HTTP; and, over TLS, none before the end of its handshake.
 */
export class OpenConnections {
  readonly #servers = new Set<Server>()
  /** As the network has them, and over TLS also what is inside them. */
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<ServerHttp2Session>()
  #over = false

  /** Those of a server. */
  static of (server: Server): OpenConnections {
    let connections = installed.get(server)
    if (connections === undefined) {
      connections = new OpenConnections()
      connections.watch(server)
      connections.standFor(server)
    }
    return connections
  }

  /** Takes in what comes to a server from now on. */
  watch (server: Server): void {
    this.#servers.add(server)
    const add = (socket: Socket): void => this.#add(socket)
    server.on('connection', add)
    server.on('secureConnection', add)
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
    })
  }

  /** A server gets nothing any more. */
  unwatch (server: Server): void {
    this.#servers.delete(server)
  }

  /** Makes these the connections of a server, which gets its requests from elsewhere. */
  standFor (server: Server): void {
    installed.set(server, this)
  }

  #add (socket: Socket): void {
    if (this.#over) socket.destroy()
    // An upgrade that is given back to HTTP comes again.
    if (socket.destroyed || this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** How many sockets are open. */
  get size (): number {
    return this.#sockets.size
  }

  /** Closes those that are idle now; those with requests under way are closed behind them, or called again for. */
  closeIdle (): void {
    // Servers of node:http2 and of other makers have no such method.
    for (const server of this.#servers as Set<Partial<Server>>) server.closeIdleConnections?.()
    for (const session of this.#sessions) if (!session.closed) session.close()
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
  }

  /** Destroys all, and whatever still comes. */
  destroy (): void {
    this.#over = true
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) cut(socket)
  }

  /** Resolves when those that have been destroyed are closed, and what has to end with them has ended. */
  async closed (): Promise<void> {
    const closing = [...this.#sockets].filter(socket => socket.destroyed)
    if (closing.length === 0) return
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      Promise.all(closing.map(socket => new Promise(resolve => socket.once('close', resolve)))),
      // A socket of somebody's own may never say so.
      new Promise(resolve => { timer = setTimeout(resolve, CLOSE_TIMEOUT) })
    ])
    clearTimeout(timer)
  }
}
