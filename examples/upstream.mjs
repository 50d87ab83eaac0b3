// Something to send traffic to: a page and a WebSocket echo. The other examples expect it at 127.0.0.1:5173.
//
//   node examples/upstream.mjs

import websocket from '@fastify/websocket'
import { fastify } from 'fastify'

const app = fastify()
await app.register(websocket)

app.get('/', () => 'Hello from the upstream\n')
app.get('/echo', { websocket: true }, socket => {
  socket.on('message', (data, binary) => socket.send(data, { binary }))
})

console.log(`The upstream is listening on ${await app.listen({ port: Number(process.env.PORT ?? 5173) })}`)
process.once('SIGTERM', () => app.close())
