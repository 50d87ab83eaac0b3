import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { httpBackend } from '../helpers/backends.js'
import { startGateway } from '../helpers/gateway.js'
import { Wire } from '../helpers/wire.js'

const SIZE = 100 * 1024 * 1024

const answers = {
  'with a length': { 'content-length': SIZE },
  'in chunks': {}
}
for (const [name, headers] of Object.entries(answers)) {
  t.test(`a client that never reads a big response ${name} is ended after bodyTimeout, and the target's connection freed`, async t => {
    const backend = await httpBackend(t, (_request, response) => {
      response.writeHead(200, headers)
      const piece = Buffer.alloc(64 * 1024)
      let left = SIZE
      const write = (): void => {
        while (left > 0) {
          left -= piece.length
          if (!response.write(piece)) return
        }
        response.end()
      }
      response.on('drain', write)
      write()
    })
    const arrived = once(backend.server, 'connection') as Promise<[Socket]>
    const gateway = await startGateway(t, { targets: [backend.url], upstream: { bodyTimeout: 300 } })
    const client = await Wire.connect(t, gateway.port)
    client.socket.on('error', () => {}).pause()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [target] = await arrived
    await Promise.all([new Promise(resolve => target.once('close', resolve)), gateway.idle()])
    client.socket.resume()
    await client.over()
    client.end()
    t.ok(client.length < SIZE, 'its response is cut')
  })
}

t.test('a client that reads slowly, with pauses below bodyTimeout, gets all of a big response', async t => {
  const size = 32 * 1024 * 1024
  const backend = await httpBackend(t, (_request, response) => { response.end(Buffer.alloc(size)) })
  const gateway = await startGateway(t, { targets: [backend.url], upstream: { bodyTimeout: 300 } })
  const client = await Wire.connect(t, gateway.port)
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  // It reads on again and again, for longer than the limit in all.
  const timer = setInterval(() => {
    client.socket.resume()
    client.socket.once('data', () => client.socket.pause())
  }, 5)
  t.teardown(() => clearInterval(timer))
  await client.head()
  await client.has(size)
  t.pass()
})

t.test('a client that reads only the beginning of a response which the target has sent whole is ended', async t => {
  const size = 6 * 1024 * 1024
  const backend = await httpBackend(t, (_request, response) => { response.end(Buffer.alloc(size)) })
  const gateway = await startGateway(t, { targets: [backend.url], upstream: { bodyTimeout: 300 } })
  const client = await Wire.connect(t, gateway.port)
  client.socket.on('error', () => {}).pause()
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await gateway.idle()
  client.socket.resume()
  await client.over()
  client.end()
  t.ok(client.length < size, 'its response is cut')
})

t.test('a big response to app.inject()', async t => {
  const size = 6 * 1024 * 1024
  const backend = await httpBackend(t, (_request, response) => { response.end(Buffer.alloc(size)) })
  const { app } = await startGateway(t, { targets: [backend.url], upstream: { bodyTimeout: 300 } })
  t.equal((await app.inject('/')).rawPayload.length, size)
})

t.test('a client that does not read the second of two responses, asked for at once, is ended too', async t => {
  const size = 32 * 1024 * 1024
  // The second is larger than what the system keeps for a client that has read fast so far (32 MiB by default).
  const backend = await httpBackend(t, (request, response) => { response.end(Buffer.alloc(request.url === '/1' ? size : SIZE)) })
  const gateway = await startGateway(t, { targets: [backend.url], upstream: { bodyTimeout: 300 } })
  const client = await Wire.connect(t, gateway.port)
  client.socket.on('error', () => {})
  client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.has(size + 1024 * 1024)
  client.socket.pause()
  await gateway.idle()
  t.ok(client.length < size + SIZE, 'its response is cut')
})
