// Sluice inside a Fastify app of your own: proxied routes beside ordinary ones, under the same hooks.
//
//   node examples/upstream.mjs &
//   node examples/embedded.mjs

import { fastify } from 'fastify'
import sluice from 'sluice'

const app = fastify()
await app.register(sluice)

app.upstream('backend', { targets: [process.env.UPSTREAM_URL ?? 'http://127.0.0.1:5173'] })

app.get('/', () => 'Hello from the app\n')
app.proxy('/backend/*', { upstream: 'backend', stripPrefix: '/backend', websocket: true })

console.log(`The app is listening on ${await app.listen({ port: Number(process.env.PORT ?? 8080) })}`)
process.once('SIGTERM', () => app.close())
