import type { Server, Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'

const watched = new WeakMap<Server, () => void>()

/**
 * Knows a server's connections, to close those on which nothing has ever come. Browsers and clients with a pool
 * open some ahead of their requests. To Node they are not idle, so that they would hold up the end of a server
 * until the time for a head is up.
 *
 * @returns Closes those that are unused now.
 */
export function watchUnused (server: Server): () => void {
  let close = watched.get(server)
  // In however many scopes of an app the plugin is registered, it listens once.
  if (close === undefined) watched.set(server, close = watch(server))
  return close
}

function watch (server: Server): () => void {
  const connections = new Set<Socket>()
  // What counts over TLS is what comes inside it.
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  return () => {
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy()
  }
}
