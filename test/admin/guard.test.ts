import { request } from 'node:http'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import admin from '../../src/admin/index.js'
import type { AdminOptions } from '../../src/options/index.js'
import { gatewayApp } from '../helpers/backends.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'

const TOKEN = 'with a space a-token-of-sixteen-characters'

async function open (t: Test, options: AdminOptions = {}): Promise<string> {
  const app = await gatewayApp(t)
  await app.register(admin, { ...options.socketPath === undefined && { port: 0 }, ...options })
  await app.listen({ port: 0 })
  return app.gatewayAdmin.address
}

/** The status of a response to a request with these headers, which no fetch() would send. */
async function status (url: string, headers: Record<string, string> = {}, method = 'GET', path = '/api'): Promise<{ status: number, text: string, headers: IncomingMessage['headers'] }> {
  const asked = request(`${url}${path}`, { headers, method }).end()
  const [response] = await once(asked, 'response') as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode!, text, headers: response.headers }
}

/** How a handshake with the feed ends: 101, or the status of its refusal. */
async function handshake (url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/feed`, { headers })
  socket.on('error', () => {})
  const found = await Promise.race([once(socket, 'open').then(() => 101), once(socket, 'unexpected-response').then(([, response]) => (response as IncomingMessage).statusCode!)])
  socket.terminate()
  return found
}

t.test('names that may be made to point here are refused (DNS rebinding)', async t => {
  const url = await open(t)
  for (const host of ['evil.example', 'evil.example:9901', 'localhost.evil.example', '127.0.0.1.evil.example']) {
    const refused = await status(url, { host })
    t.equal(refused.status, 403, host)
    t.match(refused.text, 'SLUICE_ADMIN_FORBIDDEN')
    t.equal(await handshake(url, { host }), 403, `a WebSocket of ${host}`)
  }
  for (const host of ['localhost', 'LOCALHOST:1234', '127.0.0.1:9901', '[::1]:9901', 'sluice.localhost', '10.0.0.1']) t.equal((await status(url, { host })).status, 200, host)
})

t.test('pages of other origins are refused, whatever the method', async t => {
  const url = await open(t)
  const { host } = new URL(url)
  for (const origin of ['http://evil.example', `http://${host}.evil.example`, 'http://localhost:1', 'null', '', `ftp://${host}`]) {
    for (const [method, path] of [['GET', '/api/sessions'], ['POST', '/api/reload'], ['DELETE', '/api/sessions/1'], ['POST', '/api/sessions/close']] as const) {
      t.equal((await status(url, { origin }, method, path)).status, 403, `${method} ${path} of '${origin}'`)
    }
    t.equal(await handshake(url, { origin }), 403, `a WebSocket of '${origin}'`)
  }
  t.equal((await status(url, { origin: `http://${host}` })).status, 200)
  t.equal(await handshake(url, { origin: `http://${host}` }), 101)
  t.equal(await handshake(url, {}), 101, 'no browser')
  const { headers } = await status(url, { origin: `http://${host}` })
  t.equal(headers['access-control-allow-origin'], undefined)
  t.match(headers, { 'x-frame-options': 'DENY', 'cross-origin-resource-policy': 'same-origin', 'content-security-policy': /^default-src 'none'/ })
})

t.test('with a token', async t => {
  const url = await open(t, { token: TOKEN })
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  for (const authorization of ['', TOKEN, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer', basic('admin:wrong'), basic('no colon'), `Digest ${TOKEN}`]) {
    const refused = await status(url, authorization === '' ? {} : { authorization })
    t.equal(refused.status, 401, authorization)
    t.match(refused.headers['www-authenticate'], /^Basic .*, Bearer$/)
    t.notMatch(refused.text, TOKEN)
    for (const path of ['/', '/metrics', '/api/openapi.json', '/api/unknown', '/page.js']) t.equal((await status(url, {}, 'GET', path)).status, 401, path)
    t.equal(await handshake(url, { authorization }), 401)
  }
  for (const authorization of [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`, basic(`admin:${TOKEN}`), basic(`:${TOKEN}`)]) {
    t.equal((await status(url, { authorization })).status, 200, authorization)
    t.equal(await handshake(url, { authorization }), 101)
  }
  t.equal((await status(url, { authorization: `Bearer ${TOKEN}`, host: 'gateway.internal' })).status, 200, 'a page that was rebound cannot know it')
  t.equal((await status(url, { authorization: basic(`:${TOKEN}`), origin: 'http://evil.example' }, 'POST', '/api/reload')).status, 403, 'a browser may send it by itself')
  for (const path of ['/healthz', '/readyz', '/readyz?full']) t.equal((await status(url, {}, 'GET', path)).status, 200, `${path} needs none`)
  t.equal((await status(url, { origin: 'http://evil.example' }, 'GET', '/healthz')).status, 403)
})

t.test('what is not on loopback needs a token', async t => {
  for (const host of ['0.0.0.0', '::', '10.1.2.3', 'example.com']) {
    const app = await gatewayApp(t)
    await t.rejects(async () => { await app.register(admin, { host, port: 0 }) }, { code: 'SLUICE_OPTIONS_INVALID', message: new RegExp(`host.*${host}.*token`) })
  }
  await t.rejects(async () => { await (await gatewayApp(t)).register(admin, { socketPath: '/tmp/x', port: 1 }) }, { message: /socketPath/ })
  await t.rejects(async () => { await (await gatewayApp(t)).register(admin, { token: 'short' }) }, { message: /token(?!.*short)/ })
  t.equal(new URL(await open(t, { host: '0.0.0.0', token: TOKEN })).protocol, 'http:')
})

t.test('on a Unix socket, which is for the user alone', async t => {
  const { stat, writeFile } = await import('node:fs/promises')
  const folder = await temporaryFolder(t)
  const socketPath = `${folder}/admin.sock`
  const app = await gatewayApp(t)
  await app.register(admin, { socketPath })
  await app.listen({ port: 0 })
  t.equal(app.gatewayAdmin.address, `unix:${socketPath}`)
  t.equal((await stat(socketPath)).mode & 0o777, 0o600)
  const asked = request({ socketPath, path: '/readyz', headers: { host: 'anything.example' } }).end()
  const [response] = await once(asked, 'response') as [IncomingMessage]
  response.resume()
  t.equal(response.statusCode, 200, 'no page can connect, so any name will do')

  const second = await gatewayApp(t)
  await second.register(admin, { socketPath })
  await t.rejects(async () => { await second.ready() }, /admin listener cannot be opened.*socketPath/, 'somebody listens there')
  await app.close()
  await writeFile(`${folder}/file`, '')
  const third = await gatewayApp(t)
  await third.register(admin, { socketPath: `${folder}/file` })
  await t.rejects(async () => { await third.ready() }, /admin listener cannot be opened/, 'another file is not removed')
})
