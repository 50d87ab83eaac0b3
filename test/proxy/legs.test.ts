import { rmSync } from 'node:fs'
import { createServer as createHttp, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import type { UpstreamOptions } from '../../src/options/index.js'
import { gatewayApp } from '../helpers/backends.js'
import { selfSigned } from '../helpers/certificates.js'
import { nextMessage, openSocket, refusal } from '../helpers/sockets.js'

/** Responses with the server name that the client asked for, and echoes WebSockets. */
function backend (t: Test, server: Server): Server {
  server.on('request', (request, response) => {
    const socket = request.socket as TLSSocket
    response.end(JSON.stringify({ host: request.headers.host, servername: socket.servername ?? null, client: socket.encrypted ? socket.getPeerCertificate().subject?.CN ?? null : null }))
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => { socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) })
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  return server
}

async function port (server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  return (server.address() as AddressInfo).port
}

async function through (t: Test, options: UpstreamOptions): Promise<string> {
  const app = await gatewayApp(t)
  app.upstream('app', options)
  app.proxy('/*', { upstream: 'app', websocket: true })
  return app.listen({ port: 0 })
}

async function works (t: Test, address: string): Promise<{ host: string, servername: string | null, client: string | null }> {
  const socket = await openSocket(`${address}/ws`)
  socket.send('hello')
  t.equal(await nextMessage(socket), 'hello')
  const answer = await fetch(address)
  t.equal(answer.status, 200)
  return await answer.json() as { host: string, servername: string | null, client: string | null }
}

async function refused (t: Test, address: string): Promise<void> {
  t.equal((await fetch(address)).status, 502)
  const { status, body } = await refusal(`${address}/ws`)
  t.equal(status, 502)
  t.notMatch(body, /certificate|127\.0\.0\.1/)
}

t.test('a Unix socket', async t => {
  const path = join(tmpdir(), `sluice-${process.pid}.sock`)
  t.teardown(() => rmSync(path, { force: true }))
  const server = backend(t, createHttp())
  await new Promise<void>(resolve => server.listen(path, resolve))
  const address = await through(t, { targets: [`unix:${path}`] })
  t.equal((await works(t, address)).host, new URL(address).host, 'Host is the one of the request')
})

t.test('a Unix socket that nobody listens on is 502', async t => {
  await refused(t, await through(t, { targets: ['unix:/nowhere/app.sock'] }))
})

t.test('IPv6', async t => {
  const server = backend(t, createHttp())
  await works(t, await through(t, { targets: [`http://[::1]:${await port(server, '::1')}`] }))
})

t.test('https: verified by default', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1', 'DNS:localhost')
  const server = backend(t, createHttps(certificate))
  const target = `https://127.0.0.1:${await port(server)}`
  await refused(t, await through(t, { targets: [target] }))
  t.match(await works(t, await through(t, { targets: [target], tls: { ca: certificate.cert } })), { servername: false }, 'PEM text')
  await works(t, await through(t, { targets: [target], tls: { ca: [certificate.certFile] } }))
  await works(t, await through(t, { targets: [target], tls: { rejectUnauthorized: false } }))
})

t.test("https: the target's name counts, not the client's Host", async t => {
  const certificate = await selfSigned(t, 'DNS:localhost')
  const server = backend(t, createHttps(certificate))
  const target = `https://localhost:${await port(server)}`
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [target], tls: { ca: certificate.cert } })
  app.proxy('/*', { upstream: 'app', websocket: true })
  const address = await app.listen({ port: 0 })
  t.match(await works(t, address), { servername: 'localhost', host: new URL(address).host })
  const wrong = await selfSigned(t, 'DNS:other.test')
  const impostor = backend(t, createHttps(wrong))
  const impostorPort = await port(impostor)
  await refused(t, await through(t, { targets: [`https://localhost:${impostorPort}`], tls: { ca: wrong.cert } }))
  t.match(await works(t, await through(t, { targets: [`https://localhost:${impostorPort}`], tls: { ca: wrong.cert, servername: 'other.test' } })), { servername: 'other.test' })
})

t.test('https: the certificate is checked as ever when Host names the target', async t => {
  const certificate = await selfSigned(t, 'DNS:localhost')
  const target = `localhost:${await port(backend(t, createHttps(certificate)))}`
  const app = await gatewayApp(t)
  app.upstream('app', { targets: [`https://${target}`], tls: { ca: certificate.cert } })
  app.upstream('wrong', { targets: [`https://${target}`], tls: { ca: certificate.cert, servername: 'other.test' } })
  app.proxy('/*', { upstream: 'app', websocket: true, host: 'target' })
  app.proxy('/wrong/*', { upstream: 'wrong', websocket: true, host: 'target' })
  const address = await app.listen({ port: 0 })
  t.match(await works(t, address), { servername: 'localhost', host: target })
  await refused(t, `${address}/wrong/a`)
})

t.test('https: the gateway shows its own certificate', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const server = backend(t, createHttps({ ...certificate, requestCert: true, rejectUnauthorized: true, ca: certificate.cert }))
  const target = `https://127.0.0.1:${await port(server)}`
  await refused(t, await through(t, { targets: [target], tls: { ca: certificate.cert } }))
  t.match(await works(t, await through(t, { targets: [target], tls: { ca: certificate.certFile, cert: certificate.certFile, key: certificate.keyFile } })), { client: 'sluice test' })
})

t.test('http to an https port, and https to an http port, are 502', async t => {
  const certificate = await selfSigned(t, 'IP:127.0.0.1')
  const secure = await port(backend(t, createHttps(certificate)))
  const plain = await port(backend(t, createHttp()))
  await refused(t, await through(t, { targets: [`http://127.0.0.1:${secure}`] }))
  await refused(t, await through(t, { targets: [`https://127.0.0.1:${plain}`] }))
})

t.test('https: a certificate for another name is refused each time, in every version that has sessions', async t => {
  const { key, cert } = await selfSigned(t, 'DNS:other.test')
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const server = backend(t, createHttps({ key, cert, maxVersion }))
    const address = await through(t, { targets: [`https://localhost:${await port(server)}`], tls: { ca: cert } })
    for (let time = 0; time < 3; time++) await refused(t, address)
  }
})

t.test('https: a session is resumed by the next connection, on both legs', async t => {
  const { key, cert } = await selfSigned(t, 'IP:127.0.0.1')
  const server = backend(t, createHttps({ key, cert }))
  const resumed: boolean[] = []
  server.on('secureConnection', (socket: TLSSocket) => {
    resumed.push(socket.isSessionReused())
  })
  server.keepAliveTimeout = 1
  const address = await through(t, { targets: [`https://127.0.0.1:${await port(server)}`], tls: { ca: cert } })
  t.equal((await fetch(address)).status, 200)
  await works(t, address)
  t.equal(resumed[0], false)
  t.same(resumed.slice(1).filter(one => !one), [])
  t.ok(resumed.length > 1)
})

t.test('TLS options that cannot be meant', async t => {
  const app = await gatewayApp(t)
  const declare = (tls: NonNullable<UpstreamOptions['tls']>) => () => { app.upstream('app', { targets: ['https://a'], tls }) }
  t.throws(declare({ ca: '/nowhere/ca.pem' }), { code: 'SLUICE_OPTIONS_INVALID', message: /Upstream 'app': option 'tls.ca': the file '\/nowhere\/ca.pem' cannot be read \(ENOENT\)/ })
  t.throws(declare({ ca: '/dev/null' }), { message: /holds no PEM text/ })
  t.throws(declare({ cert: 'x' }), { message: /belong together/ })
  t.throws(declare({ servernam: 'x' } as never), { message: /tls.servernam/ })
})
