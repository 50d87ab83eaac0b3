import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocketServer } from 'ws'
import { ask } from '../helpers/ask.js'
import { echoBackend, httpBackend, listen } from '../helpers/backends.js'
import { exchange, handshake } from '../helpers/raw-client.js'
import { rawTarget, refusingPort } from '../helpers/raw-target.js'
import { startSluice, type SluiceCommand } from '../helpers/sluice-command.js'
import { closed, openSocket, rawExchange, refusal } from '../helpers/sockets.js'
import { temporaryFolder } from '../helpers/temporary-folder.js'
import { sectionOf } from './markdown.js'

/*
 * docs/troubleshooting.md: each symptom is made to happen with the command, and what the page quotes of it is what
 * comes. Those that need a browser are in test/e2e/peers/troubleshooting.test.ts.
 */

t.setTimeout(240_000) // Each symptom is of a process of its own.
t.jobs = 2

t.test('426 Upgrade Required', async t => {
  // A server for WebSockets alone, as ws makes one.
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  t.teardown(() => sockets.close())
  const target = `http://127.0.0.1:${(sockets.address() as { port: number }).port}`
  const gateway = await serve(t, `{ url: /*, upstream: '${target}' }`)
  t.match(await refusal(gateway.url), { status: 426, body: 'Upgrade Required' })
  t.match(await line(gateway, /request completed/), { res: { statusCode: 426 }, kind: 'request', reason: 'complete' })
  quotes(t, '426 Upgrade Required', '`statusCode` 426', '`kind` `request`')

  const open = await serve(t, `{ url: /*, upstream: '${target}', websocket: true }`)
  const { status, body } = await refusal(open.url, { protocolVersion: 8 })
  t.equal(status, 426)
  quotesCode(t, '426 Upgrade Required', body)
})

t.test('400, 403 and 404', async t => {
  const backend = await echoBackend(t)
  const gateway = await serve(t, `{ url: /chat, upstream: '${backend.url}', websocket: { protocols: [chat], origins: ['https://app.example'] } }`)
  const cases: Array<[heading: string, status: number, response: { status: number, body: string | Buffer }, text?: string]> = [
    ['400 Bad Request', 400, await exchange(t, port(gateway), handshake({ path: '/chat', headers: { 'Sec-WebSocket-Key': 'short' } })), 'Sec-WebSocket-Key must be 16 bytes in base64'],
    ['400 Bad Request', 400, await refusal(`${gateway.url}/chat`, { headers: { 'sec-websocket-protocol': 'other' } }), 'none of the subprotocols is allowed here'],
    ['403 Forbidden', 403, await refusal(`${gateway.url}/chat`, { origin: 'https://other.example' })]
  ]
  for (const [heading, status, response, text] of cases) {
    t.equal(response.status, status)
    quotesCode(t, heading, String(response.body))
    if (text === undefined) continue
    t.match(String(response.body), text)
    quotes(t, heading, text)
  }

  const wide = await serve(t, `{ url: /*, upstream: '${backend.url}', websocket: true }`)
  quotesCode(t, '400 Bad Request', await rawExchange(port(wide), 'GET /a/..%2fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'))
  quotesCode(t, '400 Bad Request', await rawExchange(port(wide), 'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'))

  for (const [pattern, path] of [['/chat', '/other'], ['/chat/*', '/chat'], ['/chat', '/chat/']]) {
    const { url } = await serve(t, `{ url: '${pattern}', upstream: '${backend.url}', websocket: true }`)
    const { status, body } = await refusal(url + path)
    t.equal(status, 404)
    t.match(JSON.parse(body), { error: 'Not Found', message: `Route GET:${path} not found` })
    t.notOk('code' in JSON.parse(body))
  }
  quotes(t, '404 Not Found', 'Route GET:/chat not found')
  quotes(t, 'Who said it', 'Route GET:/chat not found', '"error":"Not Found"')
})

t.test('502 Bad Gateway', async t => {
  const down = await serve(t, `{ url: /*, upstream: 'http://127.0.0.1:${await refusingPort()}', websocket: true }`)
  quotesCode(t, '502 Bad Gateway', (await refusal(down.url)).body)
  t.match(JSON.stringify(await line(down, /SLUICE_TARGET_UNREACHABLE/)), 'connect ECONNREFUSED')
  quotes(t, '502 Bad Gateway', 'ECONNREFUSED')
  quotes(t, 'Who said it', '`connect ECONNREFUSED`')

  const raw = await rawTarget(t)
  const odd = await serve(t, `{ url: /*, upstream: '${raw.url}', websocket: true }`)
  const response = refusal(odd.url)
  const wire = await raw.next()
  await wire.head()
  wire.write('Unauthorized')
  wire.socket.end()
  quotesCode(t, '502 Bad Gateway', (await response).body)
  t.match(await line(odd, /SLUICE_TARGET_RESPONSE_INVALID/), { reason: 'error', err: { code: 'SLUICE_TARGET_RESPONSE_INVALID' } })

  const large = await httpBackend(t, (_request, response) => { response.setHeader('x-large', 'x'.repeat(2 ** 16)).end() })
  quotesCode(t, '502 Bad Gateway', String((await ask((await serve(t, `{ url: /*, upstream: '${large.url}' }`)).url)).body))
})

t.test('503 Service Unavailable', async t => {
  const backend = await echoBackend(t)
  const full = await serve(t, `{ url: /*, upstream: '${backend.url}', websocket: { maxSessions: 1 } }`)
  const socket = await openSocket(full.url)
  quotesCode(t, '503 Service Unavailable', (await refusal(full.url)).body)
  socket.terminate()

  const busy = await serve(t, '{ url: /*, upstream: app, websocket: true }', `upstreams: { app: { targets: ['${backend.url}'], maxSessions: 1, queueTimeout: 50 } }`)
  const first = await openSocket(busy.url)
  quotesCode(t, '503 Service Unavailable', (await refusal(busy.url)).body)
  first.terminate()

  const silent = await rawTarget(t)
  const stopping = await serve(t, `{ url: /*, upstream: '${silent.url}', websocket: true }`)
  const refused = refusal(stopping.url)
  await (await silent.next()).head()
  stopping.kill('SIGTERM')
  quotesCode(t, '503 Service Unavailable', (await refused).body)

  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'targets.json'), '[]')
  const empty = await serve(t, '{ url: /*, upstream: app }', `upstreams: { app: { targets: { file: '${join(folder, 'targets.json')}' } } }`)
  quotesCode(t, '503 Service Unavailable', String((await ask(empty.url)).body))
})

t.test('504 Gateway Timeout', async t => {
  const silent = await rawTarget(t)
  const gateway = await serve(t, `{ url: /*, upstream: '${silent.url}', websocket: { handshakeTimeout: 100 } }`)
  quotesCode(t, '504 Gateway Timeout', (await refusal(gateway.url)).body)
})

t.test('Close 1006', async t => {
  const backend = await echoBackend(t)
  const gateway = await serve(t, `{ url: /*, upstream: '${backend.url}', websocket: true }`)
  const [lost] = await Promise.all([openSocket(gateway.url), once(backend.sockets, 'connection')])
  const end = closed(lost)
  for (const socket of backend.sockets.clients) socket.terminate()
  t.equal((await end).code, 1006)
  const { session } = await line(gateway, /session ended.*"target"|"by":"target"/)
  t.match(session, { by: 'target', reason: 'lost', code: 1006 })
  quotes(t, 'Close 1006', '`target`, `lost`')

  const leaving = await openSocket(gateway.url)
  leaving.terminate()
  t.match((await line(gateway, /"by":"client"/)).session, { by: 'client', reason: 'lost' })
  quotes(t, 'Close 1006', '`client`, `lost`')
})

t.test('Close 1012, 1001 or 1008', async t => {
  const backend = await echoBackend(t)
  const ended = async (websocket: string, act: (gateway: SluiceCommand, socket: Awaited<ReturnType<typeof openSocket>>) => void): Promise<void> => {
    const gateway = await serve(t, `{ url: /*, upstream: '${backend.url}', websocket: ${websocket} }`)
    const socket = await openSocket(gateway.url)
    const end = closed(socket)
    act(gateway, socket)
    const { code } = await end
    const { session } = await line(gateway, /websocket session ended/)
    t.equal(session.code, code)
    const row = sectionOf('docs/troubleshooting.md', 'Close 1012, 1001 or 1008').split('\n').find(row => row.startsWith(`| ${code} |`))
    t.match(row, `\`${session.reason}\``)
  }
  await ended('true', gateway => { gateway.kill('SIGTERM') })
  await ended('{ idleTimeout: 50 }', () => {})
  await ended('{ maxLifetime: 50 }', () => {})
  await ended('{ messageRate: { messages: 1 } }', (_gateway, socket) => { for (let count = 0; count < 5; count++) socket.send('x') })
  await ended('{ maxMessageSize: 10 }', (_gateway, socket) => { socket.send('x'.repeat(11)) })
})

t.test('CORS errors: the gateway adds no headers', async t => {
  const backend = await httpBackend(t, (request, response) => {
    if (request.url === '/cors') response.setHeader('access-control-allow-origin', '*')
    response.writeHead(request.method === 'OPTIONS' ? 204 : 200).end()
  })
  const gateway = await serve(t, `{ url: /*, upstream: '${backend.url}' }`)
  const headers = { origin: 'https://app.example' }
  t.notOk('access-control-allow-origin' in (await ask(gateway.url, { headers })).headers)
  t.match(await ask(`${gateway.url}/cors`, { method: 'OPTIONS', headers }), { status: 204, headers: { 'access-control-allow-origin': '*' } })
})

t.test('Cookies are lost', async t => {
  const backend = await httpBackend(t, (_request, response) => response.setHeader('set-cookie', 'a=1; Path=/login; Domain=app.internal').end())
  const route = `url: /shop/*, stripPrefix: /shop, upstream: '${backend.url}'`
  const cookieOf = async ({ url }: SluiceCommand): Promise<string[]> => (await ask(`${url}/shop/login`)).headers['set-cookie']!
  t.same(await cookieOf(await serve(t, `{ ${route} }`)), ['a=1; Path=/login; Domain=app.internal'])
  t.same(await cookieOf(await serve(t, `{ ${route}, rewriteCookies: true }`)), ['a=1; Path=/shop/login'])
  quotes(t, 'Cookies are lost', '`rewriteCookies: true`', '`Path=/login`', '`/shop/login`')
})

t.test('Wrong scheme or host behind another proxy', async t => {
  const backend = await echoBackend(t)
  const seen = async ({ url }: SluiceCommand): Promise<unknown> => JSON.parse(String((await ask(url, { headers: { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example', 'x-forwarded-for': '1.2.3.4' } })).body)).headers
  const route = `{ url: /*, upstream: '${backend.url}' }`
  t.match(await seen(await serve(t, route)), { 'x-forwarded-proto': 'http', 'x-forwarded-host': /^127/, 'x-forwarded-for': '127.0.0.1' })
  t.match(await seen(await serve(t, route, 'trustProxy: [127.0.0.1]')), { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example', 'x-forwarded-for': '1.2.3.4, 127.0.0.1' })
})

t.test('431, 408 and 413', async t => {
  const backend = await echoBackend(t)
  const gateway = await serve(t, `{ url: /*, upstream: '${backend.url}', bodyLimit: 10 }`, 'listen: { headersTimeout: 100 }')
  const large = await ask(gateway.url, { headers: { cookie: 'x'.repeat(17 * 1024) } })
  t.equal(large.status, 431)
  quotesCode(t, '431 Request Header Fields Too Large', String(large.body))
  quotes(t, '431 Request Header Fields Too Large', '16 KiB or 100 fields')
  const many = await ask(gateway.url, { headers: Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, '1'])) })
  t.equal(many.status, 431)

  const slow = await rawExchange(port(gateway), 'GET / HTTP/1.1\r\n')
  t.match(slow, /^HTTP\/1\.1 408/)
  quotesCode(t, '408 Request Timeout', slow)

  const standing = await serve(t, '{ url: /*, upstream: app }', `upstreams: { app: { targets: ['${backend.url}'], bodyTimeout: 100 } }`)
  const stopped = await rawExchange(port(standing), 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
  t.match(stopped, /^HTTP\/1\.1 408/)
  quotesCode(t, '408 Request Timeout', stopped)

  const long = await ask(gateway.url, { method: 'POST', body: 'more than ten bytes' })
  t.equal(long.status, 413)
  quotesCode(t, '413 Content Too Large', String(long.body))
})

t.test('what a hook or the target says has no code of the gateway', async t => {
  const backend = await listen(t, createServer((_request, response) => response.writeHead(404).end('nothing here')))
  const gateway = await serve(t, `{ url: /*, upstream: '${backend.url}', websocket: true }`)
  t.match(await refusal(gateway.url), { status: 404, body: 'nothing here' })
  t.match(await line(gateway, /"statusCode":404/), { kind: 'handshake', reason: 'refused' })
  quotes(t, 'Who said it', '`error`', '`refused`', '`complete`')
})

/** A gateway with a route, and what else is in its configuration. */
async function serve (t: Test, route: string, more = ''): Promise<SluiceCommand> {
  const file = join(await temporaryFolder(t), 'sluice.yaml')
  await writeFile(file, `routes: [${route}]\n${more}\n`)
  return await startSluice(t, ['--config', file])
}

/** The first line of the log that matches. */
async function line (gateway: SluiceCommand, pattern: RegExp): Promise<any> {
  const [text] = await gateway.output(new RegExp(`^.*(?:${pattern.source}).*$`, 'm'))
  return JSON.parse(text)
}

function port ({ url }: SluiceCommand): number {
  return Number(new URL(url).port)
}

function quotes (t: Test, heading: string, ...texts: string[]): void {
  for (const text of texts) t.match(sectionOf('docs/troubleshooting.md', heading), text, `'${heading}' has ${text}`)
}

/** The page names the code of a response under a heading. */
function quotesCode (t: Test, heading: string, response: string): void {
  const [, code] = /"code":"(SLUICE_\w+)"/.exec(response) ?? []
  if (code === undefined) t.fail(`no code in ${response}`)
  else quotes(t, heading, `\`${code}\``)
}
