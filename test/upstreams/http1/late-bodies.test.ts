import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../../src/options/index.js'
import type { Target } from '../../../src/upstreams/target.js'
import { Upstream } from '../../../src/upstreams/upstream.js'
import { startGateway } from '../../helpers/gateway.js'
import { rawTarget, type RawTarget } from '../../helpers/raw-target.js'
import { sendTo } from '../../helpers/target-request.js'
import { Wire } from '../../helpers/wire.js'

// Issue 8, item 20

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'

const LATE = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
/**
 * Where nothing is announced, the connection is used again once it has settled, so what is too late may not depend on
 * the load of the machine. This target's body waits for the acknowledgement of the head (Nagle), up to 40 ms.
 */
const SOON = [0, 0, 0, 0, 0]

/** And how many milliseconds late the body is. */
const HEADS: Record<string, { method: string, head: string, body: string, delays?: number[] }> = {
  'HEAD with a length': { method: 'HEAD', head: `HTTP/1.1 200 OK\r\nContent-Length: ${POISON.length}\r\n\r\n`, body: POISON },
  'HEAD with chunks': { method: 'HEAD', head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', body: `${POISON.length.toString(16)}\r\n${POISON}\r\n0\r\n\r\n` },
  'HEAD with a length of 0': { method: 'HEAD', head: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', body: POISON, delays: SOON },
  'HEAD with neither': { method: 'HEAD', head: 'HTTP/1.1 200 OK\r\n\r\n', body: POISON },
  '204 with a length': { method: 'GET', head: `HTTP/1.1 204 No Content\r\nContent-Length: ${POISON.length}\r\n\r\n`, body: POISON },
  '204 with chunks': { method: 'GET', head: 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n', body: POISON },
  '204 with neither': { method: 'GET', head: 'HTTP/1.1 204 No Content\r\n\r\n', body: POISON, delays: SOON },
  '204 with a length of 0': { method: 'GET', head: 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', body: POISON, delays: SOON },
  '304 with neither': { method: 'GET', head: 'HTTP/1.1 304 Not Modified\r\n\r\n', body: POISON, delays: SOON },
  '304 with a length': { method: 'GET', head: `HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n`, body: POISON },
  '304 with chunks': { method: 'GET', head: 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', body: POISON }
}

for (const [name, { method, head, body, delays = LATE }] of Object.entries(HEADS)) {
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
    for (delay of delays) {
      first.write(`${method} /late HTTP/1.1\r\nHost: x\r\n\r\n`)
      await first.head()
      // Others ask as long as the body may come.
      const end = performance.now() + delay + (delays === SOON ? 80 : 5)
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

/** Longer than a connection settles. */
const SETTLED = 120

async function start (t: Test, options: Partial<UpstreamOptions> = {}): Promise<{ server: RawTarget, target: Target }> {
  const server = await rawTarget(t)
  const [target] = new Upstream('app', { ...options, targets: [server.url] }).targets
  t.teardown(() => target!.endpoint.close())
  return { server, target: target! }
}

t.test('a connection behind a 204 is used again once it has settled, and not before', async t => {
  const { server, target } = await start(t)
  const first = sendTo(target)
  const wire = await server.next()
  await wire.head()
  wire.write('HTTP/1.1 204 No Content\r\n\r\n')
  t.match(await first.answer, { status: 204 })
  const second = sendTo(target)
  const other = await server.next()
  await other.head()
  other.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
  t.match(await second.answer, { status: 200 })
  await sleep(SETTLED)
  const third = sendTo(target)
  await wire.head()
  wire.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.match(await third.answer, { status: 200 })
  t.equal(server.connections, 2)
})

t.test('nobody waits for a connection to settle', async t => {
  const { server, target } = await start(t, { maxConnections: 1 })
  const first = sendTo(target)
  const second = sendTo(target)
  const wires = [await server.next()]
  await wires[0]!.head()
  wires[0]!.write('HTTP/1.1 204 No Content\r\n\r\n')
  t.match(await first.answer, { status: 204 })
  for (const waiting of [second, undefined]) {
    // The last finds the connection settling.
    const request = waiting ?? sendTo(target)
    const wire = await server.next()
    await wire.head()
    wire.write('HTTP/1.1 204 No Content\r\n\r\n')
    t.match(await request.answer, { status: 204 })
    await wires.at(-1)!.over()
    wires.push(wire)
  }
  t.equal(server.connections, 3)
})

t.test('connections that settle end with their pool', async t => {
  const { server, target } = await start(t)
  const { answer } = sendTo(target)
  const wire = await server.next()
  await wire.head()
  wire.write('HTTP/1.1 204 No Content\r\n\r\n')
  await answer
  target.endpoint.close()
  await wire.over()
})

t.test('a late body that does not begin as a response does is nobody\'s, and ends its connection', async t => {
  const { server, target } = await start(t)
  for (const [late, code] of [['<html></html>', 'SLUICE_TARGET_RESPONSE_INVALID'], ['HTTP/1.1 200\n\nx', 'SLUICE_TARGET_RESPONSE_INVALID'], ['5\r\nHTTP/1.1 200 OK\r\n\r\n', 'SLUICE_TARGET_RESPONSE_INVALID']] as const) {
    const first = sendTo(target)
    const wire = await server.next()
    await wire.head()
    wire.write('HTTP/1.1 204 No Content\r\n\r\n')
    await first.answer
    await sleep(SETTLED)
    const second = sendTo(target)
    await wire.head()
    wire.write(`${late}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`)
    await t.rejects(second.answer, { code }, late)
    await wire.over()
  }
})
