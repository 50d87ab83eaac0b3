import { fastify, type FastifyServerOptions } from 'fastify'
import { serve } from './serve.js'

await serve(async ({ port, target, isTargetTls, certificate, entry, service, sessions }) => {
  if (service !== undefined) {
    const { createGateway } = await import(entry!.replace('/index.js', '/service/index.js')) as typeof import('sluice/service')
    const { accessLog, admin } = service
    await createGateway({
      listen: { port },
      accessLog,
      admin: admin && { port: 0 },
      upstreams: { target: { targets: [target] } },
      routes: [{ url: '/*', upstream: 'target', websocket: true }]
    }).listen()
    return
  }
  const { default: sluice, requestId } = await import(entry!) as typeof import('sluice')
  // The ids of the service.
  const app = fastify({ genReqId: requestId(false), ...(certificate !== undefined && { https: certificate }) } as FastifyServerOptions)
  await app.register(sluice)
  app.upstream('target', { targets: [target], ...(isTargetTls && { tls: { rejectUnauthorized: false } }) })
  const websocket = sessions === 'hooks' ? { messages: { fromClient () {}, fromTarget () {} } } : sessions === 'reconnect' ? { reconnect: {} } : true
  app.proxy('/*', { upstream: 'target', websocket })
  await app.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
