import dns from 'node:dns'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { startGateway, type GatewaySettings, type RunningGateway } from '../helpers/gateway.js'
import { handshake } from '../helpers/raw-client.js'
import { goodResponse, rawTarget, type RawTarget } from '../helpers/raw-target.js'
import { stuckClients } from '../helpers/stuck-clients.js'
import { Wire } from '../helpers/wire.js'

/** A gateway that listens on localhost, where that is both 127.0.0.1 and ::1, and a client of the latter. */
async function start (t: Test, settings: Partial<GatewaySettings> = {}): Promise<{ gateway: RunningGateway, target: RawTarget, client: Wire, connectAgain: () => Promise<Wire> }> {
  const { lookup } = dns
  t.teardown(() => { dns.lookup = lookup })
  dns.lookup = ((host: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as (error: Error | null, ...found: unknown[]) => void
    const both = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }]
    if (host !== 'localhost') (lookup as (...given: unknown[]) => void)(host, ...rest)
    else if ((rest[0] as dns.LookupOptions).all === true) callback(null, both)
    else callback(null, both[0]!.address, 4)
  }) as typeof dns.lookup
  const target = await rawTarget(t)
  const gateway = await startGateway(t, { targets: [target.url], listen: { port: 0, host: 'localhost' }, ...settings })
  t.match(gateway.app.addresses(), [{ address: '::1' }, { address: '127.0.0.1' }])
  const connectAgain = async (): Promise<Wire> => {
    const socket = connect({ port: gateway.port, host: '::1', allowHalfOpen: true })
    await once(socket, 'connect')
    return new Wire(t, socket)
  }
  return { gateway, target, client: await connectAgain(), connectAgain }
}

t.test('a WebSocket and a request on the second address', async t => {
  const { target, client, connectAgain } = await start(t)
  client.write(handshake())
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  t.equal((await client.head()).start, 'HTTP/1.1 101 Switching Protocols')
  const other = await connectAgain()
  other.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const served = await target.next()
  t.ok((await served.head()).headers.some(([name, value]) => name === 'X-Forwarded-For' && value === '::1'))
  served.write('HTTP/1.1 204 No Content\r\n\r\n')
  t.equal((await other.head()).start, 'HTTP/1.1 204 No Content')
})

t.test('an expectation on the second address is left to the target', async t => {
  const { target, client } = await start(t)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  const server = await target.next()
  await server.head()
  t.equal(client.length, 0)
  server.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.head()).start, 'HTTP/1.1 401 Unauthorized')
})

t.test('garbage behind a request on the second address is answered in its turn', async t => {
  const { target, client } = await start(t)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.match(await client.rest(), /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nokHTTP\/1.1 400 Bad Request\r\n/)
})

t.test('close() does not wait for an unused connection to the second address', async t => {
  const { gateway, client } = await start(t)
  await gateway.app.close()
  await client.over()
})

/** Milliseconds, and what a machine under load may take longer. */
const DRAIN = 200
const MARGIN = 3000

/** Has the route `/hook/*`, with a hook that never returns. */
const hook = (app: FastifyInstance): void => {
  app.register(async scope => {
    scope.addHook('onRequest', () => new Promise(() => {}))
    scope.proxy('/*', { upstream: 'main', websocket: true })
  }, { prefix: '/hook' })
}

async function checkClose (t: Test, { app }: RunningGateway): Promise<void> {
  const before = performance.now()
  await app.close()
  t.ok(performance.now() - before < DRAIN + MARGIN)
}

for (const [name, begin] of Object.entries(stuckClients)) {
  t.test(`Issue 8, item 33: close() ends on the second address, too: ${name}`, async t => {
    const clients: Wire[] = []
    const { gateway, target, client, connectAgain } = await start(t, { plugin: { drainTimeout: DRAIN }, setup: hook })
    client.end()
    const accepted = new Map<number, Socket>()
    gateway.app.server.on('connection', (socket: Socket) => accepted.set(socket.remotePort!, socket))
    await begin({
      target,
      connect: async () => {
        const wire = await connectAgain()
        clients.push(wire)
        return wire
      }
    })
    for (const { socket } of [...clients]) {
      const hasArrived = (): boolean => {
        const found = accepted.get(socket.localPort!)
        return found !== undefined && (found.bytesRead > 0 || socket.bytesRead > 0 || socket.bytesWritten === 0)
      }
      while (!hasArrived() && !socket.destroyed) await setImmediate()
    }
    await checkClose(t, gateway)
    for (const wire of clients) {
      wire.socket.resume()
      await wire.over()
    }
    target.server.close()
  })
}

t.test('Issue 8, item 33: close() ends what came to the second address before the app listened', async t => {
  let early: Wire | undefined
  let accepted = (): void => {}
  const arrived = new Promise<void>(resolve => { accepted = resolve })
  const { gateway, client } = await start(t, {
    plugin: { drainTimeout: DRAIN },
    setup: app => {
      app.get('/early', async () => {
        accepted()
        return await new Promise(() => {})
      })
    },
    // Before that of the gateway.
    before: app => {
      app.addHook('onListen', async () => {
        const socket = connect({ port: (app.server.address() as AddressInfo).port, host: '::1', allowHalfOpen: true })
        await once(socket, 'connect')
        early = new Wire(t, socket)
        early.write('GET /early HTTP/1.1\r\nHost: a\r\n\r\n')
        await arrived
      })
    }
  })
  await arrived
  await checkClose(t, gateway)
  await early!.over()
  await client.over()
})

t.test('a reset on the second address during a hook before a handshake ends nothing', async t => {
  let inHook = (): void => {}
  const reached = new Promise<void>(resolve => { inHook = resolve })
  const setup = (app: FastifyInstance): void => {
    app.addHook('onRequest', async () => { inHook() })
    hook(app)
  }
  const { target, connectAgain, client } = await start(t, { setup })
  client.write(handshake({ path: '/hook/a' }))
  await reached
  client.reset()
  const other = await connectAgain()
  other.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const server = await target.next()
  await server.head()
  server.write('HTTP/1.1 204 No Content\r\n\r\n')
  t.equal((await other.head()).start, 'HTTP/1.1 204 No Content')
})

t.test('a drain ends sessions on the second address with a Close, and refuses new ones', async t => {
  const { gateway, target, client, connectAgain } = await start(t)
  client.write(handshake())
  const server = await target.next()
  server.write(goodResponse(await server.head()))
  await client.head()
  const drained = gateway.app.gateway.drain()
  for (const wire of [client, server]) t.equal(await wire.close(), '1012')
  const refused = await connectAgain()
  refused.write(handshake())
  t.match((await refused.head()).start, 'HTTP/1.1 503 ')
  await drained
})
