import type { Server, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/**
 * Brings the connections of all addresses to the server of the app.
 *
 * Where a host name such as `localhost`, which is Fastify's default, has several addresses, Fastify listens on
 * each with a server of its own and gives the app only the first: what the gateway asks of its server, such as to
 * leave `Expect: 100-continue` to the target, would hold for one of the addresses. Node documents that a
 * connection may be given to a server by emitting it; where Fastify keeps the other servers it does not
 * (DESIGN.md, rule 6). Not found there, they serve as Fastify has them serve.
 *
 * @returns Resolves when none of the other addresses' connections is open; the app's server waits for its own alone.
 */
export function gatherConnections (app: FastifyInstance): () => Promise<void> {
  const gathered = new Set<Socket>()
  let onLast = (): void => {}
  app.addHook('onListen', done => {
    for (const server of otherServers(app)) {
      server.removeAllListeners('connection')
      server.on('connection', (socket: Socket) => {
        gathered.add(socket)
        socket.once('close', () => {
          gathered.delete(socket)
          if (gathered.size === 0) onLast()
        })
        app.server.emit('connection', socket)
      })
    }
    done()
  })
  return () => gathered.size === 0 ? Promise.resolve() : new Promise(resolve => { onLast = resolve })
}

function otherServers (app: FastifyInstance): Server[] {
  for (let instance: object | null = app; instance !== null; instance = Object.getPrototypeOf(instance) as object | null) {
    const key = Object.getOwnPropertySymbols(instance).find(({ description }) => description === 'fastify.serverBindings')
    const servers = key === undefined ? undefined : (instance as Record<symbol, unknown>)[key]
    if (Array.isArray(servers)) return (servers as Server[]).filter(server => server !== app.server as Server)
  }
  return []
}
