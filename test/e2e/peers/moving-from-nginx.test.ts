import { once } from 'node:events'
import t, { type Test } from 'tap'
import { ask } from '../../helpers/ask.js'
import { echoBackend, type Seen } from '../../helpers/backends.js'
import { startNginxHttp } from '../../helpers/nginx.js'
import { refusingPort } from '../../helpers/raw-target.js'
import { recipeText, startRecipe, withTargets } from '../../helpers/recipe.js'
import { closed, nextMessage, openSocket, rawExchange } from '../../helpers/sockets.js'

/* docs/moving-from-nginx.md: its two configurations do the same, but for what the page lists. */

const PORTS = ['3000', '3001', '3002']

t.test('the two configurations do the same', async t => {
  const targets = await Promise.all(PORTS.map(() => echoBackend(t)))
  const nginx = await startBefore(t, targets.map(({ url }) => url))
  const sluice = await startAfter(t, targets.map(({ url }) => url))
  const urls = targets.map(({ url }) => url)

  for (const [path, seenPath] of [['/page?a=1', '/page?a=1'], ['/api/users?a=1', '/users?a=1'], ['/caf%C3%A9/', '/caf%C3%A9/']] as const) {
    const [before, after] = await Promise.all([nginx.url, sluice.url].map(async url => await (await fetch(url + path, { method: 'POST', body: 'text' })).json() as Seen))
    t.equal(before!.url, seenPath)
    t.equal(after!.url, seenPath)
    for (const seen of [before!, after!]) {
      t.equal(seen.method, 'POST')
      t.equal(seen.body, 'text')
      t.match(seen.headers, { host: /^127\.0\.0\.1:\d+$/, 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': /^127\.0\.0\.1:\d+$/ })
      t.notOk('upgrade' in seen.headers)
    }
  }

  for (const { url } of [nginx, sluice]) {
    for (const path of ['/chat', '/api/chat']) {
      const opened = Promise.race(targets.map(({ sockets }) => once(sockets, 'connection')))
      const socket = await openSocket(url + path)
      t.equal((await opened)[1].url, '/chat')
      socket.send('hello')
      t.equal(await nextMessage(socket), 'hello')
      socket.close(4000, 'bye')
      t.match(await closed(socket), { code: 4000, reason: 'bye' })
    }
    t.equal((await fetch(url, { method: 'POST', body: 'x'.repeat(10 * 2 ** 20 + 1) })).status, 413)

    // The backup gets nothing, and of the others the first one gets two of three.
    const counts = targets.map(() => 0)
    for (const [index, { server }] of targets.entries()) server.on('request', () => { counts[index]!++ })
    for (let count = 0; count < 9; count++) await (await fetch(url)).text()
    t.same(counts, [6, 3, 0], String(urls))
    for (const { server } of targets) server.removeListener('request', server.listeners('request').at(-1) as never)
  }
})

t.test('the backup is used when the others cannot be connected to', async t => {
  const backup = await echoBackend(t)
  const urls = [`http://127.0.0.1:${await refusingPort()}`, `http://127.0.0.1:${await refusingPort()}`, backup.url]
  for (const { url } of [await startBefore(t, urls), await startAfter(t, urls)]) {
    t.equal((await fetch(url)).status, 200)
    ;(await openSocket(url)).terminate()
  }
})

t.test('what changes', async t => {
  const targets = await Promise.all(PORTS.map(() => echoBackend(t)))
  const urls = targets.map(({ url }) => url)
  const nginx = await startBefore(t, urls)
  const sluice = await startAfter(t, urls)

  const spoofed = async (url: string): Promise<unknown> => (JSON.parse(String((await ask(url, { headers: { 'x-forwarded-for': '1.2.3.4' } })).body)) as Seen).headers['x-forwarded-for']
  t.equal(await spoofed(nginx.url), '1.2.3.4, 127.0.0.1')
  t.equal(await spoofed(sluice.url), '127.0.0.1')

  const dots = (url: string): Promise<string> => rawExchange(Number(new URL(url).port), 'GET /api/../admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(await dots(nginx.url), /"url":"\/api\/\.\.\/admin"/)
  t.match(await dots(sluice.url), /^HTTP\/1\.1 400 .*SLUICE_PATH_INVALID/s)

  const impatient = await startBefore(t, urls, text => text.replace('1h', '100ms'))
  t.match(await closed(await openSocket(impatient.url)), { code: 1006 }, 'an idle WebSocket')

  const dead = await Promise.all(PORTS.map(async () => `http://127.0.0.1:${await refusingPort()}`))
  t.match(await ask((await startBefore(t, dead)).url), { status: 502, headers: { 'content-type': 'text/html' } })
  t.match(await ask((await startAfter(t, dead)).url), { status: 502, body: /SLUICE_TARGET_UNREACHABLE/ })

  const [before, after] = [await openSocket(nginx.url), await openSocket(sluice.url)]
  const ends = Promise.all([closed(before), closed(after)])
  nginx.command.kill('SIGTERM')
  sluice.kill('SIGTERM')
  t.match(await ends, [{ code: 1006 }, { code: 1012 }], 'a stop')
})

async function startBefore (t: Test, urls: string[], change: (text: string) => string = text => text) {
  const text = change(withTargets(recipeText('nginx/before'), Object.fromEntries(urls.map((url, index) => [`127.0.0.1:${PORTS[index]!}`, new URL(url).host]))))
  const { port, command } = await startNginxHttp(t, port => text.replace('127.0.0.1:8080', `127.0.0.1:${port}`))
  return { url: `http://127.0.0.1:${port}`, command }
}

function startAfter (t: Test, urls: string[]) {
  return startRecipe(t, 'nginx', Object.fromEntries(urls.map((url, index) => [`http://127.0.0.1:${PORTS[index]!}`, url])))
}
