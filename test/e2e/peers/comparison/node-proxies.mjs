import { createServer } from 'node:http'

/*
 * `node node-proxies.mjs NAME SETUP`: one of the proxies for Node.js, set up as its README says. SIGUSR2 ends it
 * gracefully, as a program that uses it would do that.
 */

const [, , name, json] = process.argv
const { targetPort, limit, auth } = JSON.parse(json)
const target = `http://127.0.0.1:${targetPort}`

/** A server whose requests need authentication, if asked for, and its listener for upgrades, which is separate. */
function serve (web, ws) {
  const server = createServer((request, response) => {
    if (auth === true && request.headers.authorization === undefined) return response.writeHead(401).end()
    web(request, response)
  })
  server.on('upgrade', ws)
  server.listen(0, '127.0.0.1')
  return () => server.close()
}

const proxies = {
  async 'http-proxy' () {
    const { default: httpProxy } = await import('http-proxy')
    const proxy = httpProxy.createProxyServer({ target, timeout: limit, proxyTimeout: limit })
    // That of the README calls response.writeHead(), which ends the process when it is a socket.
    proxy.on('error', (error, request, response) => {
      if ('writeHead' in response) response.writeHead(502).end()
      else response.destroy(error)
    })
    return serve((request, response) => proxy.web(request, response), (request, socket, head) => proxy.ws(request, socket, head))
  },

  async 'http-proxy with the listener of its README' () {
    const { default: httpProxy } = await import('http-proxy')
    const proxy = httpProxy.createProxyServer({ target })
    proxy.on('error', function (err, req, res) {
      res.writeHead(500, { 'Content-Type': 'text/plain' })
      res.end(`Something went wrong. And we are reporting a custom error message. ${err.code}`)
    })
    return serve((request, response) => proxy.web(request, response), (request, socket, head) => proxy.ws(request, socket, head))
  },

  async httpxy () {
    const { createProxyServer } = await import('httpxy')
    const proxy = createProxyServer({ target, timeout: limit, proxyTimeout: limit, upgradeTimeout: limit })
    proxy.on('error', (error, request, response) => {
      if ('writeHead' in response) response.writeHead(502).end()
      else response.destroy(error)
    })
    return serve((request, response) => proxy.web(request, response), (request, socket, head) => proxy.ws(request, socket, {}, head))
  },

  async '@fastify/http-proxy' () {
    const [{ default: Fastify }, { default: httpProxy }] = await Promise.all([import('fastify'), import('@fastify/http-proxy')])
    const app = Fastify({ logger: true })
    await app.register(httpProxy, {
      upstream: target,
      websocket: true,
      wsClientOptions: { handshakeTimeout: limit },
      preHandler: async (request, reply) => { if (auth === true && request.headers.authorization === undefined) return reply.code(401).send() }
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return () => app.close()
  }
}

const end = await proxies[name]()
process.on('SIGUSR2', end)
