import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t from 'tap'
import { sectionOf } from '../../docs/markdown.js'
import { httpBackend } from '../../helpers/backends.js'
import { selfSigned } from '../../helpers/certificates.js'
import { HOST_NAME, openPage } from '../../helpers/chromium.js'
import { startSluice } from '../../helpers/sluice-command.js'
import { temporaryFolder } from '../../helpers/temporary-folder.js'
import { startViteCommand } from '../../helpers/vite.js'

/* Symptoms of docs/troubleshooting.md that show in a browser: what the page quotes is what Chromium says. */

t.test('WebSocket is closed before the connection is established', async t => {
  const target = await httpBackend(t, (_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'))
  const dialled = once(target.server, 'upgrade') // It never responds.
  const gateway = await startSluice(t, [target.url])
  const page = await openPage(t)
  const text = consoleText(page, /WebSocket is closed/)
  await page.goto(gateway.url)
  await page.evaluate('void (window.socket = new WebSocket("/chat"))')
  const [, socket] = await dialled as [unknown, Socket]
  t.teardown(() => socket.destroy())
  await page.evaluate('socket.close()')
  t.match(await text, 'WebSocket is closed before the connection is established')
  const [line] = await gateway.output(/^.*"reason":"left".*$/m)
  t.match(JSON.parse(line), { kind: 'handshake', by: 'client', reason: 'left' })
  t.match(sectionOf('docs/troubleshooting.md', 'WebSocket is closed before the connection is established'), '`reason` `left`')
})

t.test('Hot reload falls back to a direct connection', async t => {
  const vite = await startViteCommand(t, 'vite', 'text')
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'sluice.yaml'), `routes: [{ url: /*, upstream: '${vite.url}' }]\n`)
  const { url } = await startSluice(t, ['--config', join(folder, 'sluice.yaml')])
  const page = await openPage(t)
  const sockets: string[] = []
  page.on('websocket', socket => sockets.push(new URL(socket.url()).host))
  const text = consoleText(page, /fallback/)
  await page.goto(url)
  const [, quoted] = /`(\[vite\].+?)`/.exec(sectionOf('docs/troubleshooting.md', 'Hot reload falls back to a direct connection'))!
  t.match(await text, quoted!)
  t.same(sockets, [new URL(url).host, new URL(vite.url).host])
})

t.test('CORS errors', async t => {
  const target = await httpBackend(t, (_request, response) => response.end('text'))
  const { url } = await startSluice(t, [target.url])
  const page = await openPage(t)
  await page.goto(target.url)
  const text = consoleText(page, /CORS/)
  await page.evaluate(`fetch(${JSON.stringify(url)}).catch(() => {})`)
  const [, quoted] = /`(No '.+?)`/.exec(sectionOf('docs/troubleshooting.md', 'CORS errors'))!
  t.match(await text, quoted!)
})

t.test('Mixed content', async t => {
  const { cert, key } = await selfSigned(t, `DNS:${HOST_NAME}`)
  const folder = await temporaryFolder(t)
  const target = await httpBackend(t, (_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'))
  const secure = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await writeFile(secure.cert, cert)
  await writeFile(secure.key, key)
  await writeFile(join(folder, 'sluice.yaml'), JSON.stringify({ listen: { tls: secure }, routes: [{ url: '/*', upstream: target.url, websocket: true }] }))
  const gateway = await startSluice(t, ['--config', join(folder, 'sluice.yaml')])
  const page = await openPage(t, { ignoreHTTPSErrors: true })
  const host = `${HOST_NAME}:${new URL(gateway.url).port}`
  await page.goto(`https://${host}/`)
  const text = consoleText(page, /Mixed Content/)
  await page.evaluate(`try { new WebSocket("ws://${host}/chat") } catch {}`)
  const [, quoted] = /`(attempted .+?)`/.exec(sectionOf('docs/troubleshooting.md', 'Mixed content'))!
  t.match(await text, quoted!)
  t.equal(await page.evaluate('new WebSocket("/chat").url'), `wss://${host}/chat`)
})

async function consoleText (page: Page, pattern: RegExp): Promise<string> {
  return (await page.waitForEvent('console', message => pattern.test(message.text()))).text()
}
