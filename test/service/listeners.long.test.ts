import { stat, writeFile } from 'node:fs/promises'
import { get, request, type IncomingMessage, type RequestOptions } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { createGateway, type GatewayServer } from '../../src/service/gateway.js'
import type { GatewayConfig } from '../../src/options/index.js'
import { checkedConfig } from '../../src/service/config.js'
import { locateInObject } from '../../src/service/places.js'
import { echoBackend } from '../helpers/backends.js'
import { startBuilt } from '../helpers/built-service.js'
import { selfSigned } from '../helpers/certificates.js'
import { startCommand } from '../helpers/command.js'
import { CLI } from '../helpers/outputs.js'
import { freePort } from '../helpers/raw-target.js'
import { closed, nextMessage, openSocket, rawExchange, refusal } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

/*
 * Issue 12: several listeners, Unix sockets, and a redirect to https.
 */

async function start (t: Test, listen: NonNullable<GatewayConfig['listen']>): Promise<GatewayServer> {
  const { url } = await echoBackend(t)
  const gateway = await createGateway({ listen, drainTimeout: 2_000, routes: [{ url: '/*', upstream: url, websocket: true }] }, { logger: false })
  t.teardown(() => gateway.close())
  await gateway.listen()
  return gateway
}

async function ask (options: RequestOptions): Promise<{ status: number, location: string | undefined, body: string }> {
  const [response] = await once(get({ agent: false, ...options }), 'response') as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  return { status: response.statusCode!, location: response.headers.location, body }
}

t.test('a plain listener redirects to that with tls; both are on one port each', async t => {
  const { cert, key } = await selfSigned(t)
  const [plain, secure] = [await freePort(), await freePort()]
  const gateway = await start(t, [{ port: plain, redirectToHttps: true }, { port: secure, tls: { cert, key } }])
  t.match(await ask({ port: plain, path: '/a?b=c', headers: { host: 'app.example' } }), { status: 308, location: `https://app.example:${secure}/a?b=c` })
  t.match(await ask({ port: plain, method: 'POST', path: '/', headers: { host: '[::1]:80' } }), { status: 308, location: `https://[::1]:${secure}/` })
  t.match(await refusal(`http://127.0.0.1:${plain}/chat`), { status: 308, headers: { location: `https://127.0.0.1:${secure}/chat` } }, 'a handshake, too')
  t.match(await rawExchange(plain, 'GET http://other.example/x HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n'), new RegExp(`location: https://other\\.example:${secure}/x`))
  t.match(await rawExchange(plain, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 400 /, 'there is no name to redirect to')
  t.match(await rawExchange(plain, 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /)
  const socket = new WebSocket(`wss://127.0.0.1:${secure}/`, { rejectUnauthorized: false })
  await once(socket, 'open')
  const echo = nextMessage(socket)
  socket.send('over tls')
  t.equal(await echo, 'over tls')
  const end = closed(socket)
  await gateway.close()
  t.equal((await end).code, 1012, 'all end together')
  await t.rejects(ask({ port: plain }), { code: 'ECONNREFUSED' })
})

t.test('a port that clients see can be given', async t => {
  const port = await freePort()
  await start(t, { port, redirectToHttps: 443 })
  t.match(await ask({ port, headers: { host: 'app.example:8080' } }), { status: 308, location: 'https://app.example/' })
})

t.test('a Unix socket, with its permissions, beside a port; a stale one is replaced', async t => {
  const socketPath = join(await temporaryFolder(t), 'sluice.sock')
  const stale = createServer().listen(socketPath)
  await once(stale, 'listening')
  const port = await freePort()
  await t.rejects(start(t, { socketPath }), { code: 'EADDRINUSE' }, 'somebody listens there')
  stale.close()
  await once(stale, 'close')
  const gateway = await start(t, [{ socketPath, socketMode: '660' }, { port }])
  t.equal((await stat(socketPath)).mode & 0o777, 0o660)
  t.match(await ask({ socketPath, path: '/over/unix' }), { status: 200, body: /"url":"\/over\/unix"/ })
  t.match(await ask({ port }), { status: 200 })
  const socket = new WebSocket(`ws+unix:${socketPath}:/chat`)
  await once(socket, 'open')
  const echo = nextMessage(socket)
  socket.send('hello')
  t.equal(await echo, 'hello')
  const end = closed(socket)
  await gateway.close()
  t.equal((await end).code, 1012)
  await t.rejects(stat(socketPath), { code: 'ENOENT' })
})

t.test('a reload adds, changes and removes listeners; those that stay keep their connections', async t => {
  const [one, two] = [await freePort(), await freePort()]
  const gateway = await start(t, { port: one })
  const socket = await openSocket(`http://127.0.0.1:${one}/`)
  const { config } = gateway
  await gateway.reload({ ...config, listen: [{ port: one }, { port: two }] })
  t.match(await ask({ port: two }), { status: 200 })
  const other = await openSocket(`http://127.0.0.1:${two}/`)
  await t.rejects(gateway.reload({ ...config, listen: [{ port: one }, { port: two }, { host: '192.0.2.1', port: 1 }] }), { code: 'EADDRNOTAVAIL' })
  t.match(await ask({ port: two }), { status: 200 }, 'nothing has changed')
  await gateway.reload({ ...config, listen: [{ port: two, redirectToHttps: 443 }] })
  t.match(await ask({ port: two }), { status: 308 })
  await t.rejects(ask({ port: one }), { code: 'ECONNREFUSED' })
  for (const open of [socket, other]) {
    const echo = nextMessage(open)
    open.send('still here')
    t.equal(await echo, 'still here')
    open.close()
  }
})

t.test('a reload changes the permissions of a socket that stays', async t => {
  const socketPath = join(await temporaryFolder(t), 's.sock')
  const gateway = await start(t, { socketPath, socketMode: '600' })
  const { ino } = await stat(socketPath)
  await gateway.reload({ ...gateway.config, listen: { socketPath, socketMode: '666' } })
  const after = await stat(socketPath)
  t.equal(after.mode & 0o777, 0o666)
  t.equal(after.ino, ino)
  t.match(await ask({ socketPath }), { status: 200 })
})

t.test('limits hold for all listeners', async t => {
  const [one, two] = [await freePort(), await freePort()]
  await start(t, [{ port: one, maxHeaders: 3 }, { port: two }])
  for (const port of [one, two]) t.match(await rawExchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 431 /)
})

t.test('workers share all of them', async t => {
  const { url } = await echoBackend(t)
  const folder = await temporaryFolder(t)
  const socketPath = join(folder, 'sluice.sock')
  const { cert, key } = await selfSigned(t)
  const service = await startBuilt(t, { workers: 2, listen: [{ port: 0, redirectToHttps: 8443 }, { socketPath, socketMode: '600' }, { port: 0, tls: { cert, key } }], routes: [{ url: '/*', upstream: url }] })
  for (let index = 0; index < 10; index++) {
    t.match(await ask({ socketPath }), { status: 200 })
    t.match(await ask({ port: new URL(service.url).port, headers: { host: 'a.example' } }), { status: 308, location: 'https://a.example:8443/' })
  }
  const restart = startCommand(t, process.execPath, [CLI, 'restart', '--pid', String(service.command.pid)], { cwd: service.folder })
  t.equal(await restart.ended, 0, restart.stderr)
  t.match(await ask({ socketPath }), { status: 200 }, 'the socket stays when a worker leaves')
  t.match(service.command.stdout, /worker \d listening at http:\/\/127\.0\.0\.1:\d+, unix:\S+sluice\.sock, https:\/\/127\.0\.0\.1:\d+/)
  t.equal((await stat(socketPath)).mode & 0o777, 0o600)
  service.command.kill('SIGTERM')
  t.equal(await service.command.ended, 0)
  await t.rejects(stat(socketPath), { code: 'ENOENT' })
})

t.test('what is wrong with listeners is said', async t => {
  const { cert, key } = await selfSigned(t)
  const tls = { cert, key }
  for (const [listen, message] of [
    [{ socketPath: '/s', port: 1 }, /^listen\.port: there is socketPath already; remove one of the two/],
    [{ socketMode: '660' }, /^listen\.socketMode: it belongs to socketPath, which is missing/],
    [{ socketPath: '/s', socketMode: 'rw' }, /^listen\.socketMode: must be .*octal digits/],
    [{ redirectToHttps: true }, /^listen\.redirectToHttps: no listener has tls on a port; add one, or give the port that clients see/],
    [{ redirectToHttps: true, tls }, /^listen\.redirectToHttps: the listener has tls itself/],
    [[{ port: 1 }, { port: 1 }], /^listen\.1: listen\.0 has the same address; give one of them another port/],
    [[{ port: 1 }, { port: 2, maxHeaders: 1 }], /^listen\.1\.maxHeaders: the limits hold for all listeners; give them in the first one/],
    [[], /^listen: must be /],
    [[{ porto: 1 }], /^listen\.0\.porto: there is no such option; did you mean 'port'\?/]
  ] as Array<[unknown, RegExp]>) t.throws(() => checkedConfig({ listen }, locateInObject, false), { message }, JSON.stringify(listen).slice(0, 60))
})

t.test('the command line and the environment change the first one', async t => {
  const { url } = await echoBackend(t)
  const folder = await temporaryFolder(t)
  const socketPath = join(folder, 's.sock')
  await writeFile(join(folder, 'x'), '')
  const service = await startBuilt(t, { listen: [{ port: 1 }, { socketPath }], routes: [{ url: '/*', upstream: url }] }, { args: ['--port', '0'] })
  t.match(await ask({ socketPath }), { status: 200 })
  t.equal((await fetch(service.url)).status, 200)
})

t.test('a request over a Unix socket can be sent on by nginx or another proxy: X-Forwarded-* are believed where trustProxy says so', async t => {
  const socketPath = join(await temporaryFolder(t), 's.sock')
  const { url } = await echoBackend(t)
  const gateway = await createGateway({ listen: { socketPath }, trustProxy: true, routes: [{ url: '/*', upstream: url }] }, { logger: false })
  t.teardown(() => gateway.close())
  t.equal(await gateway.listen(), `unix:${socketPath}`)
  const sent = request({ socketPath, path: '/', headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' } }).end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  t.match(JSON.parse(body), { headers: { 'x-forwarded-for': /^203\.0\.113\.9/, 'x-forwarded-proto': 'https' } })
})
