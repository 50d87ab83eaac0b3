import { fastify, type FastifyServerOptions } from 'fastify'
import { serve } from './serve.js'

await serve(async ({ port, target, isTargetTls, certificate, entry, log }) => {
  const { default: sluice, requestId } = await import(entry!) as typeof import('sluice')
  // The ids and the log of the service.
  const app = fastify({
    genReqId: requestId(false),
    ...(log && { logger: { level: 'info', stream: process.stdout } }),
    ...(certificate !== undefined && { https: certificate })
  } as FastifyServerOptions)
  await app.register(sluice)
  app.upstream('target', { targets: [target], ...(isTargetTls && { tls: { rejectUnauthorized: false } }) })
  app.proxy('/*', { upstream: 'target', websocket: true })
  await app.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
