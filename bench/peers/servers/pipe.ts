import { connect, createServer } from 'node:net'
import { serve } from './serve.js'

await serve((port, targetPort) => {
  createServer({ noDelay: true }, client => {
    const target = connect({ host: '127.0.0.1', port: targetPort, noDelay: true })
    client.pipe(target).pipe(client)
    client.on('error', () => target.destroy())
    target.on('error', () => client.destroy())
  }).listen({ host: '127.0.0.1', port, backlog: 4096 })
})
