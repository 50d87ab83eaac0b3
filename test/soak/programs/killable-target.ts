import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { serve } from '../program.js'

/** A target that is killed, stopped and started again under load. */

let checks = 0
let health: 'good' | 'flapping' | 'silent' = 'good'
const server = createServer((request, response) => {
  if (request.url === '/health') {
    checks++
    if (health === 'silent') return
    response.statusCode = health === 'flapping' && checks % 2 === 0 ? 500 : 200
  }
  request.resume().on('end', () => response.end('here'))
})
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', socket => { socket.on('message', data => socket.send(data)) })

const responses = {
  /** @param port The one that it had before; 0 for any. */
  async listen (port: number): Promise<number> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  },
  behave (how: typeof health): void {
    health = how
  },
  sessions: (): number => sockets.clients.size,
  checks: (): number => checks,
  close (): void {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  }
}

export type KillableTargetResponses = typeof responses
serve(responses)
