import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { serve } from '../program.js'

/** A target that echoes messages, and answers requests with their path. */

const server = createServer((request, response) => { response.end(request.url) })
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', socket => { socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) })
const listening = once(server.listen(0, '127.0.0.1'), 'listening')

const answers = {
  async port (): Promise<number> {
    await listening
    return (server.address() as AddressInfo).port
  },

  close (): void {
    server.close()
    server.closeAllConnections()
  }
}

export type EchoTargetsResponses = typeof answers
serve(answers)
