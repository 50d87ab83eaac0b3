import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { Teardown } from './backends.js'

/** Servers at addresses of loopback, all on one port, that respond to requests and to messages with their addresses. */
export async function serversAt (t: Teardown, ...addresses: string[]): Promise<{ port: number, at: Record<string, Server> }> {
  const at: Record<string, Server> = {}
  let port = 0
  for (const address of addresses) {
    const server = createServer((_request, response) => { response.end(address) }).listen(port, address)
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', socket => { socket.on('message', () => socket.send(address)) })
    t.teardown(() => {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      server.close()
    })
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    at[address] = server
  }
  return { port, at }
}
