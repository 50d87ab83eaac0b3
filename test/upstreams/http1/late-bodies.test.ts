import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { startGateway } from '../../helpers/gateway.js'
import { Wire } from '../../helpers/wire.js'

// Issue 8, item 20

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

const HEADS: Record<string, { method: string, head: string, body: string }> = {
  'HEAD with a length': { method: 'HEAD', head: `HTTP/1.1 200 OK\r\nContent-Length: ${POISON.length}\r\n\r\n`, body: POISON },
  'HEAD with chunks': { method: 'HEAD', head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', body: `${POISON.length.toString(16)}\r\n${POISON}\r\n0\r\n\r\n` },
  'HEAD with neither': { method: 'HEAD', head: 'HTTP/1.1 200 OK\r\n\r\n', body: POISON },
  '204 with a length': { method: 'GET', head: `HTTP/1.1 204 No Content\r\nContent-Length: ${POISON.length}\r\n\r\n`, body: POISON },
  '204 with chunks': { method: 'GET', head: 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n', body: POISON },
  '304 with a length': { method: 'GET', head: `HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n`, body: POISON },
  '304 with chunks': { method: 'GET', head: 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', body: POISON }
}

for (const [name, { method, head, body }] of Object.entries(HEADS)) {
  t.test(`a body that comes late behind ${name} is given to no other client`, async t => {
    const server = createServer(socket => {
      socket.on('error', () => {}).on('data', chunk => serve(socket, chunk.toString('latin1')))
      t.teardown(() => { socket.destroy() })
    })
    let delay = 0
    const serve = (socket: Socket, request: string) => {
      const path = request.split(' ')[1]!
      if (path !== '/late') return socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
      socket.write(head)
      if (delay === 0) setImmediate(() => socket.write(body))
      else setTimeout(() => socket.write(body), delay)
    }
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => { server.close() })
    const gateway = await startGateway(t, { targets: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`], fastify: { logger: false } })
    const clients = await Promise.all(Array.from({ length: 5 }, () => Wire.connect(t, gateway.port)))
    const first = await Wire.connect(t, gateway.port)
    for (delay = 0; delay <= 20; delay += 2) {
      first.write(`${method} /late HTTP/1.1\r\nHost: x\r\n\r\n`)
      await first.head()
      // Others ask as long as the body may come.
      const end = performance.now() + delay + 5
      do {
        await Promise.all(clients.map(async (client, index) => {
          const path = `/${index}`
          client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
          const { start } = await client.head()
          const text = (await client.bytes(path.length)).toString()
          if (start !== 'HTTP/1.1 200 OK' || text !== path || client.length > 0) t.fail(`${delay} ms later, ${start}, ${text}`)
        }))
      } while (performance.now() < end)
    }
    t.equal(first.length, 0, 'nor to its own')
  })
}
