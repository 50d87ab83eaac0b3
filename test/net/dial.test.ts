import type { LookupAddress } from 'node:dns'
import { createServer as createSecure } from 'node:https'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { resolver } from '../../src/net/addresses.js'
import { ClientLeftError } from '../../src/errors.js'
import { Cancellation } from '../../src/net/cancellation.js'
import { dial } from '../../src/net/dial.js'
import { parseTarget } from '../../src/net/target-address.js'
import { gatewayApp } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { blackHole } from '../helpers/raw-target.js'

// Issue 8, item 31

/** Has a name stand for some addresses of loopback. */
function name (t: Test, addresses: string[]): void {
  const { lookup } = resolver
  t.teardown(() => { resolver.lookup = lookup })
  const found: LookupAddress[] = addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  resolver.lookup = ((_hostname: string, _options: object, callback: (error: Error | null, found: LookupAddress[]) => void) => { setImmediate(() => callback(null, found)) }) as typeof lookup
}

async function listening (t: Test, server: Server, host: string, port = 0): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => { sockets.add(socket.on('error', () => {})) })
  await new Promise<void>(resolve => server.listen(port, host, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const connect = (port: number, timeout = 2_000, cancellation = new Cancellation()) => dial(parseTarget(`http://target.test:${port}`), { timeout, tls: {}, cancellation })

t.test('a name whose first address is silent, and whose last is dead, is connected', async t => {
  // 127.0.0.1 does not answer, 127.0.0.2 does, and 127.0.0.3 refuses, all at one port.
  const port = await blackHole(t)
  await listening(t, createServer(), '127.0.0.2', port)
  for (const addresses of [['127.0.0.1', '127.0.0.2', '127.0.0.3'], ['127.0.0.3', '127.0.0.1', '127.0.0.2'], ['127.0.0.1', '127.0.0.3', '127.0.0.2']]) {
    name(t, addresses)
    const socket = await connect(port)
    t.equal(socket.remoteAddress, '127.0.0.2', addresses.join())
    socket.destroy()
  }
})

t.test('a first address that is slow is waited for where the last is dead', async t => {
  const port = await blackHole(t)
  name(t, ['127.0.0.1', '127.0.0.3'])
  const began = performance.now()
  await t.rejects(connect(port, 700), { code: 'SLUICE_TARGET_UNREACHABLE', cause: { message: 'no connection within 700 ms' } })
  t.ok(performance.now() - began > 600)
})

t.test('where all refuse, the error says so at once', async t => {
  name(t, ['127.0.0.2', '127.0.0.3'])
  const port = await blackHole(t)
  const began = performance.now()
  await t.rejects(connect(port), { cause: { message: 'no address could be connected to', errors: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }] } })
  name(t, ['127.0.0.2'])
  await t.rejects(connect(port), { cause: { code: 'ECONNREFUSED' } })
  t.ok(performance.now() - began < 500)
})

t.test('all addresses share one limit, and one cancellation', async t => {
  const port = await blackHole(t)
  name(t, ['127.0.0.1', '127.0.0.1', '127.0.0.1'])
  await t.rejects(connect(port, 400), { cause: { message: 'no connection within 400 ms' } })
  const cancellation = new Cancellation()
  const given = t.rejects(connect(port, 5_000, cancellation), { code: 'SLUICE_CLIENT_LEFT' })
  setTimeout(() => cancellation.cancel(new ClientLeftError()), 300)
  await given
})

t.test('a name that is none', async t => {
  const { lookup } = resolver
  t.teardown(() => { resolver.lookup = lookup })
  resolver.lookup = ((_hostname: string, _options: object, callback: (error: Error) => void) => { callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })) }) as typeof lookup
  await t.rejects(connect(1), { code: 'SLUICE_TARGET_UNREACHABLE', cause: { code: 'ENOTFOUND' } })
})

t.test('families take turns', async t => {
  const port = await blackHole(t)
  await listening(t, createServer(), '127.0.0.2', port)
  name(t, ['127.0.0.1', '127.0.0.1', '127.0.0.2', '::1'])
  // Where there is IPv6, it is the second to be tried.
  const hasIpv6 = await listening(t, createServer(), '::1', port).then(() => true, () => false)
  const socket = await connect(port)
  t.equal(socket.remoteAddress, hasIpv6 ? '::1' : '127.0.0.2')
  socket.destroy()
})

t.test('TLS goes the same way, with the name that was asked for', async t => {
  const certificate = await selfSigned(t, 'DNS:target.test')
  const port = await blackHole(t)
  await listening(t, createSecure(certificate, (request, response) => { response.end((request.socket as Socket & { servername?: string }).servername) }), '127.0.0.2', port)
  name(t, ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [`https://target.test:${port}`], tls: { ca: certificate.cert } })
  app.proxy('/*', { upstream: 'app' })
  const response = await fetch(await app.listen({ port: 0 }))
  t.equal(await response.text(), 'target.test')
})
