import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { serve } from './serve.js'

interface HttpProxy {
  createProxyServer (options: object): {
    web (request: IncomingMessage, response: ServerResponse): void
    ws (request: IncomingMessage, socket: Duplex, head: Buffer): void
    on (event: 'error', listener: (error: Error, request: IncomingMessage, answer: ServerResponse | Duplex) => void): void
  }
}

await serve(async (port, targetPort, entry) => {
  const { default: httpProxy } = await import(entry!) as { default: HttpProxy }
  // Without an agent it opens a connection for each request.
  const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${targetPort}`, agent: new Agent({ keepAlive: true }), xfwd: true })
  proxy.on('error', (_error, _request, answer) => { answer.destroy() })
  const server = createServer((request, response) => proxy.web(request, response))
  server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
  server.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
