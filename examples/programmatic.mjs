// A gateway of its own, started from code with the configuration that sluice.yaml would hold.
//
//   node examples/upstream.mjs &
//   node examples/programmatic.mjs

import { createGateway } from 'sluice/service'

const gateway = await createGateway({
  listen: { port: Number(process.env.PORT ?? 8080) },
  upstreams: {
    backend: { targets: [process.env.UPSTREAM_URL ?? 'http://127.0.0.1:5173'] }
  },
  routes: [
    { url: '/*', upstream: 'backend', websocket: true }
  ]
}, { logger: false })

console.log(`The gateway is listening on ${await gateway.listen()}`)
process.once('SIGTERM', () => gateway.close())
