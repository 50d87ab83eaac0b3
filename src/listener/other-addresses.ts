import type { Server as AppServer } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/**
 * Brings the connections of all addresses to the server of the app.
 *
 * Where a host name such as `localhost`, which is Fastify's default, has several addresses, Fastify listens on
 * each with a server of its own and gives the app only the first: what the gateway asks of its server, such as to
 * leave `Expect: 100-continue` to the target, would hold for one of the addresses. Node documents that a
 * connection may be given to a server by emitting it; where Fastify keeps the other servers it does not
 * (ARCHITECTURE.md, rule 6). Not found there, they serve as Fastify has them serve.
 */
export class OtherConnections {
  readonly #open = new Set<Socket>()
  readonly #waiting: Array<() => void> = []
  #servers: Server[] = []

  constructor (app: FastifyInstance) {
    app.addHook('onListen', done => {
      this.#servers = otherServers(app)
      for (const server of this.#servers) {
        server.removeAllListeners('connection')
        server.on('connection', (socket: Socket) => {
          this.#add(socket)
          app.server.emit('connection', socket)
        })
      }
      done()
    })
  }

  #add (socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      if (this.#open.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
    })
  }

  /** Resolves when all of them are closed. The app's server waits only for its own connections. */
  async closed (): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    // Those that came before the app had begun to listen on all addresses have stayed where they were.
    for (const server of this.#servers) (server as Partial<AppServer>).closeAllConnections?.()
  }
}

function otherServers (app: FastifyInstance): Server[] {
  for (let instance: object | null = app; instance !== null; instance = Object.getPrototypeOf(instance) as object | null) {
    const key = Object.getOwnPropertySymbols(instance).find(({ description }) => description === 'fastify.serverBindings')
    const servers = key === undefined ? undefined : (instance as Record<symbol, unknown>)[key]
    if (Array.isArray(servers)) return (servers as Server[]).filter(server => server !== app.server as Server)
  }
  return []
}
