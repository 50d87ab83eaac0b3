import { fastifyHttpProxy } from '@fastify/http-proxy'
import { fastify, type FastifyServerOptions } from 'fastify'
import { serve } from './serve.js'

await serve(async ({ port, target, isTargetTls, certificate }) => {
  const app = fastify((certificate === undefined ? {} : { https: certificate }) as FastifyServerOptions)
  await app.register(fastifyHttpProxy, {
    upstream: target,
    websocket: true,
    ...(isTargetTls && { wsClientOptions: { rejectUnauthorized: false } })
  })
  await app.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
