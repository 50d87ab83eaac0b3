import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { createServer, proxyOptions } from './node-http.js'
import { serve } from './serve.js'

interface HttpProxy {
  createProxyServer (options: object): {
    web (request: IncomingMessage, response: ServerResponse): void
    ws (request: IncomingMessage, socket: Duplex, head: Buffer): void
    on (event: 'error', listener: (error: Error, request: IncomingMessage, answer: ServerResponse | Duplex) => void): void
  }
}

await serve(async serving => {
  const { default: httpProxy } = await import(serving.entry!) as { default: HttpProxy }
  const proxy = httpProxy.createProxyServer(proxyOptions(serving))
  proxy.on('error', (_error, _request, answer) => { answer.destroy() })
  const server = createServer(serving, (request, response) => proxy.web(request, response))
  server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
  server.listen({ host: '127.0.0.1', port: serving.port, backlog: 4096 })
})
