import { fastify } from 'fastify'
import { serve } from './serve.js'

await serve(async (port, targetPort, build) => {
  const { default: sluice } = await import(build!) as typeof import('sluice')
  const app = fastify()
  await app.register(sluice)
  app.upstream('target', { targets: [`http://127.0.0.1:${targetPort}`] })
  app.proxy('/*', { upstream: 'target', websocket: true })
  await app.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
