import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { serve } from './serve.js'

interface Httpxy {
  createProxyServer (options: object): {
    web (request: IncomingMessage, response: ServerResponse): Promise<void>
    ws (request: IncomingMessage, socket: Duplex, options: object, head: Buffer): Promise<void>
  }
}

await serve(async (port, targetPort, entry) => {
  const { createProxyServer } = await import(entry!) as Httpxy
  const proxy = createProxyServer({ target: `http://127.0.0.1:${targetPort}`, agent: new Agent({ keepAlive: true }), xfwd: true })
  const server = createServer((request, response) => { proxy.web(request, response).catch(() => response.destroy()) })
  server.on('upgrade', (request, socket, head) => { proxy.ws(request, socket, {}, head).catch(() => socket.destroy()) })
  server.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
