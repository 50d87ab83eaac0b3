import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { ask } from '../../helpers/ask.js'
import { listen, type Backend } from '../../helpers/backends.js'
import { installPackages } from '../../helpers/installed.js'
import { refusingPort } from '../../helpers/raw-target.js'
import { startRecipeProgram, type RecipeProgram } from '../../helpers/recipe.js'
import { closed, nextMessage, refusal } from '../../helpers/sockets.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'

/* docs/moving-from-http-proxy.md: each program does what the one that it replaces does, but for what the page lists. */

t.setTimeout(240_000) // npm install asks the registry.

t.test('from http-proxy', async t => {
  const target = await startTarget(t, 'app')
  const targets = { 'http://127.0.0.1:3000': target.url }
  // Inside the repository, which has it.
  const before = await startRecipeProgram(t, 'http-proxy/before', targets)
  const after = await startRecipeProgram(t, 'http-proxy', targets)

  const seen = await Promise.all([before, after].map(async ({ url }) => {
    const { status, headers, body } = await ask(`${url}/page?a=1`, { method: 'POST', body: 'text' })
    const request = JSON.parse(String(body))
    const redirect = new URL((await ask(`${url}/redirect`)).headers.location!, url)
    return {
      status,
      poweredBy: headers['x-powered-by'],
      body: request.body,
      url: request.url,
      forwarded: ['x-forwarded-for', 'x-forwarded-proto'].map(name => request.headers[name]),
      forwardedHost: request.headers['x-forwarded-host'] === new URL(url).host,
      host: request.headers.host,
      tenant: request.headers['x-tenant'],
      redirect: redirect.host === new URL(url).host && redirect.pathname,
      socket: await talk(`${url}/chat?b=2`)
    }
  }))
  t.same(seen[1], seen[0])
  t.match(seen[1], { status: 200, poweredBy: undefined, host: new URL(target.url).host, tenant: 'shop', redirect: '/elsewhere', url: '/page?a=1' })

  await t.test('what changes', async t => {
    t.equal((await seenBy(`${before.url}//a//b`)).url, '/a/b')
    t.equal((await seenBy(`${after.url}//a//b`)).url, '//a//b')
    t.equal((await seenBy(before.url, { 'x-forwarded-for': '1.2.3.4' })).headers['x-forwarded-for'], '1.2.3.4,127.0.0.1')
    t.equal((await seenBy(after.url, { 'x-forwarded-for': '1.2.3.4' })).headers['x-forwarded-for'], '127.0.0.1')

    const dead = { 'http://127.0.0.1:3000': `http://127.0.0.1:${await refusingPort()}` }
    t.equal(await handshakeError((await startRecipeProgram(t, 'http-proxy/before', dead)).url), 'socket hang up')
    t.match(await refusal((await startRecipeProgram(t, 'http-proxy', dead)).url), { status: 502, body: /SLUICE_TARGET_UNREACHABLE/ })
    const careless = await startRecipeProgram(t, 'http-proxy/before', dead, { change: text => text.replace("proxy.on('error'", "proxy.on('no error'") })
    await t.rejects(ask(careless.url))
    t.equal(await careless.ended, 1, 'it crashes')
  })
})

t.test('from http-proxy-middleware', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  await installPackages(t, folder, ['http-proxy-middleware@4', 'http-proxy-middleware-3@npm:http-proxy-middleware@3', 'express@5'])
  const [api, chat] = [await startTarget(t, 'api'), await startTarget(t, 'chat')]
  const targets = { 'http://127.0.0.1:3000': api.url, 'http://127.0.0.1:3001': chat.url }
  const after = await startRecipeProgram(t, 'http-proxy-middleware', targets)
  const expected = await summary(after.url)
  t.match(expected, { api: { name: 'api', url: '/users?a=1', headers: { 'x-tenant': 'shop' }, body: 'text' }, socket: ['chat', '/chat/room?b=2', 'hello'], health: 'ok' })
  t.match(await refusal(`${after.url}/elsewhere`), { status: 404 })
  const dead = await deadTargets()
  t.match(await ask(`${(await startRecipeProgram(t, 'http-proxy-middleware', dead)).url}/api/users`), { status: 502, body: /SLUICE_TARGET_UNREACHABLE/ })

  for (const [version, change] of [[4, text => text], [3, text => text.replace("'http-proxy-middleware'", "'http-proxy-middleware-3'")]] as Array<[number, RecipeProgram['change']]>) {
    await t.test(`version ${version} does the same`, async t => {
      const before = await startRecipeProgram(t, 'http-proxy-middleware/before', targets, { folder, change: change! })
      t.same(await summary(before.url), expected)

      const down = await startRecipeProgram(t, 'http-proxy-middleware/before', dead, { folder, change: change! })
      t.match(await ask(`${down.url}/api/users`), { status: 504, body: /^Error occurred while trying to proxy: 127\.0\.0\.1/ })
      t.equal(await handshakeError(`${down.url}/chat`), 'socket hang up')
    })
  }
})

async function deadTargets (): Promise<Record<string, string>> {
  return { 'http://127.0.0.1:3000': `http://127.0.0.1:${await refusingPort()}`, 'http://127.0.0.1:3001': `http://127.0.0.1:${await refusingPort()}` }
}

/** What targets and clients see through a program of http-proxy-middleware or its successor. */
async function summary (url: string): Promise<object> {
  const { name, url: path, headers, body } = JSON.parse(String((await ask(`${url}/api/v1/users?a=1`, { method: 'POST', body: 'text' })).body))
  return {
    api: { name, url: path, body, headers: { 'x-tenant': headers['x-tenant'], host: headers.host === new URL(url).host } },
    chat: (await seenBy(`${url}/chat/page`)).url,
    socket: await talk(`${url}/chat/room?b=2`),
    health: await (await fetch(`${url}/health`)).text()
  }
}

async function seenBy (url: string, headers: Record<string, string> = {}): Promise<{ url: string, headers: Record<string, string> }> {
  return JSON.parse(String((await ask(url, { headers })).body))
}

/** Who responds to a WebSocket, for which path, and the echo of a message; its end is the server's. */
async function talk (url: string): Promise<string[]> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  const hello = await nextMessage(socket)
  socket.send('hello')
  const echo = await nextMessage(socket)
  socket.close(4000)
  if ((await closed(socket)).code !== 4000) throw new Error('another close code')
  return [...hello.split(' '), echo]
}

async function handshakeError (url: string): Promise<string> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  return await new Promise((resolve, reject) => {
    socket.on('open', () => reject(new Error('it is open')))
    socket.on('error', error => resolve(error.message))
  })
}

/** A target that tells what it sees, redirects, and echoes WebSockets after telling who it is. */
async function startTarget (t: Test, name: string): Promise<Backend> {
  const target: Backend = await listen(t, createServer(async (request, response) => {
    response.setHeader('x-powered-by', 'a framework')
    if (request.url === '/redirect') return response.writeHead(302, { location: `${target.url}/elsewhere` }).end()
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    response.end(JSON.stringify({ name, url: request.url, headers: request.headers, body }))
  }))
  const sockets = new WebSocketServer({ server: target.server })
  sockets.on('connection', (socket, request) => {
    socket.send(`${name} ${request.url}`)
    socket.on('message', data => socket.send(String(data)))
  })
  t.teardown(() => { for (const socket of sockets.clients) socket.terminate() })
  return target
}
