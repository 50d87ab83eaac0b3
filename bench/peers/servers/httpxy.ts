import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { createServer, proxyOptions } from './node-http.js'
import { serve } from './serve.js'

interface Httpxy {
  createProxyServer (options: object): {
    web (request: IncomingMessage, response: ServerResponse): Promise<void>
    ws (request: IncomingMessage, socket: Duplex, options: object, head: Buffer): Promise<void>
  }
}

await serve(async serving => {
  const { createProxyServer } = await import(serving.entry!) as Httpxy
  const proxy = createProxyServer(proxyOptions(serving))
  const server = createServer(serving, (request, response) => { proxy.web(request, response).catch(() => response.destroy()) })
  server.on('upgrade', (request, socket, head) => { proxy.ws(request, socket, {}, head).catch(() => socket.destroy()) })
  server.listen({ host: '127.0.0.1', port: serving.port, backlog: 4096 })
})
