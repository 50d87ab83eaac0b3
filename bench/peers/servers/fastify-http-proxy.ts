import { fastifyHttpProxy } from '@fastify/http-proxy'
import { fastify } from 'fastify'
import { serve } from './serve.js'

await serve(async (port, targetPort) => {
  const app = fastify()
  await app.register(fastifyHttpProxy, { upstream: `http://127.0.0.1:${targetPort}`, websocket: true })
  await app.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
