import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { serve } from './serve.js'

await serve(({ port, targetPort, isTargetTls, certificate }) => {
  const options = { host: '127.0.0.1', port: targetPort, noDelay: true }
  const relay = (client: Socket) => {
    const target = isTargetTls ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options)
    client.pipe(target).pipe(client)
    client.on('error', () => target.destroy())
    target.on('error', () => client.destroy())
  }
  const server = certificate === undefined ? createServer({ noDelay: true }, relay) : createTlsServer({ ...certificate, noDelay: true }, relay)
  server.listen({ host: '127.0.0.1', port, backlog: 4096 })
})
