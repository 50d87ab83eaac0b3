import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { FastifyInstance } from 'fastify'
import admin from '../../../src/admin/index.js'
import { echoBackend, gatewayApp, httpBackend } from '../../helpers/backends.js'
import { closed, openSocket } from '../../helpers/sockets.js'
import { openWatched, until } from '../../helpers/watched-page.js'

// The status page in Chromium, with a real gateway. It is the page that `npm run build` made.

interface Started { app: FastifyInstance, url: string, pageUrl: string, port: number }

async function start (t: Test, port = 0): Promise<Started> {
  const { url: target } = await echoBackend(t)
  const app = await gatewayApp(t)
  await app.register(admin, { port })
  app.upstream('chat', { targets: [target] })
  app.proxy('/chat/:room', { upstream: 'chat', websocket: true })
  app.proxy('/*', { upstream: 'chat', websocket: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const pageUrl = `${app.gatewayAdmin.address}/`
  return { app, url, pageUrl, port: Number(new URL(pageUrl).port) }
}

/** Presses Tab until the element with the focus fits the selector. */
async function tabTo (page: Page, selector: string): Promise<void> {
  for (let pressed = 0; pressed < 60; pressed++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return
  }
  throw new Error(`Tab does not lead to ${selector}`)
}

const focused = (page: Page): Promise<string> => page.evaluate('document.activeElement.id || document.activeElement.dataset.action || document.activeElement.tagName')

t.test('a session appears, and is closed by the keyboard alone', async t => {
  const { url, pageUrl } = await start(t)
  const { page, faults } = await openWatched(t, pageUrl)
  await page.getByText('There are no open sessions.').waitFor()
  await until(page, "document.title === 'Sluice: serving'")
  const socket = await openSocket(`${url}/chat/1`)
  await page.locator('#sessions-list [data-action=close]').waitFor()
  t.match(await page.locator('#sessions-list tbody tr').innerText(), /127\.0\.0\.1\s+\/chat\/:room/)

  await tabTo(page, '#sessions-list [data-action=close]')
  await page.keyboard.press('Enter')
  t.equal(await page.locator('dialog').getAttribute('open'), '')
  t.equal(await focused(page), 'dialog-cancel', 'a second Enter would not confirm')
  await page.keyboard.press('Escape')
  t.equal(await page.locator('dialog').getAttribute('open'), null)
  t.equal(await focused(page), 'close')
  t.equal(socket.readyState, WebSocket.OPEN)

  await page.keyboard.press('Enter')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.type('by hand')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.type('4001')
  await tabTo(page, '#dialog-confirm')
  const end = closed(socket)
  await page.keyboard.press('Enter')
  // What the dialog says instead, or that it says nothing for as long as Playwright waits, beats a wait without end.
  t.same(await Promise.race([end, page.getByRole('alert').filter({ hasText: /./ }).innerText()]), { code: 4001, reason: 'by hand' })
  await page.getByText('There are no open sessions.').waitFor()
  await page.getByText('1 session closed').waitFor()
  t.not(await focused(page), 'BODY', 'the focus stays near')
  t.same(faults, [])
})

t.test('what the server refuses is said in the dialog, which stays open', async t => {
  const { url, pageUrl } = await start(t)
  await openSocket(`${url}/chat/1`)
  const { page, faults } = await openWatched(t, pageUrl)
  await page.locator('#sessions-list [data-action=close]').click()
  await page.locator('#dialog-code').fill('1005')
  await page.locator('#dialog-confirm').click()
  await page.getByRole('alert').filter({ hasText: '1005 is not a valid close code' }).waitFor()
  t.equal(await page.locator('dialog').getAttribute('open'), '')
  t.same(faults, [])
})

t.test('filters find sessions, and all that match are closed together', async t => {
  const { url, pageUrl } = await start(t)
  const rooms = await Promise.all([1, 2, 3].map(room => openSocket(`${url}/chat/${room}`)))
  const other = await openSocket(`${url}/other`)
  const { page, faults } = await openWatched(t, pageUrl)
  const rows = page.locator('#sessions-list tbody tr')
  await rows.nth(3).waitFor()
  await page.locator('#sessions-route').selectOption('/chat/:room')
  await page.locator('#sessions-count').filter({ hasText: '3 of 4' }).waitFor()
  t.equal(await rows.count(), 3)
  await page.locator('#sessions-text').fill('nowhere')
  await page.getByText('No sessions match the filter.').waitFor()
  await page.locator('#sessions-clear').click()
  await rows.nth(3).waitFor()

  // From the number of a route's sessions to these sessions.
  await page.getByRole('button', { name: 'sessions of /chat/:room: show' }).filter({ hasText: '3' }).click()
  await page.locator('#sessions-count').filter({ hasText: '3 of 4' }).waitFor()
  await page.getByRole('button', { name: 'Close 3 matching…' }).click()
  const ends = Promise.all(rooms.map(closed))
  await page.getByRole('button', { name: 'Close 3 sessions' }).click()
  t.same((await ends).map(({ code }) => code), [1000, 1000, 1000])
  await page.getByText('3 sessions closed').waitFor()
  t.equal(other.readyState, WebSocket.OPEN)
  t.same(faults, [])
})

t.test('a target is drained and taken back, each behind a confirmation', async t => {
  const { app, pageUrl } = await start(t)
  const { page, faults } = await openWatched(t, pageUrl)
  const target = app.gateway.upstreams.get('chat')!.targets[0]!
  await page.locator('[data-action=drain]').click()
  await page.getByText('It is the only target of chat that is in service').waitFor()
  t.equal(target.state, 'ready')
  await page.locator('#dialog-confirm').click()
  await page.getByText('Draining').waitFor()
  t.equal(app.gateway.upstreams.get('chat')!.targets[0]!.state, 'drain')
  await page.locator('#problems').getByText('No target of upstream').waitFor()
  await until(page, "document.title === 'Sluice: 1 problem'")
  await page.locator('#events-list').getByText('ready, healthy → drain, healthy').waitFor()
  await page.locator('[data-action=ready]').click()
  await page.locator('#dialog-confirm').click()
  await page.locator('#problems-title').getByText('No problems').waitFor()
  t.same(faults, [])
})

t.test('a reload that is not possible is explained', async t => {
  const { pageUrl } = await start(t)
  const { page, faults } = await openWatched(t, pageUrl)
  await page.locator('#reload').click()
  await page.locator('#dialog-confirm').click()
  await page.getByRole('alert').filter({ hasText: 'given by code' }).waitFor()
  t.same(faults, [])
})

t.test('requests and errors show as they happen', async t => {
  const { url, app, pageUrl } = await start(t)
  const { url: broken } = await httpBackend(t, request => request.socket.destroy())
  app.gateway.upstreams.get('chat')!.setTargets([broken])
  const { page, faults } = await openWatched(t, pageUrl)
  await page.locator('#state-text').getByText('Serving').waitFor()
  await (await fetch(`${url}/anything`)).text()
  await page.locator('#problems').getByText('Route ').waitFor()
  await page.locator('#events-list').getByText('SLUICE_TARGET_UNREACHABLE').waitFor()
  t.match(await page.locator('.plot').first().getAttribute('aria-label'), /^Requests and errors, last 5 minutes\. Requests\/s: /)
  t.same(faults, [])
})

t.test('after a restart, the page is connected again, with the filter as it was', async t => {
  const first = await start(t)
  await openSocket(`${first.url}/chat/1`)
  const { page, faults } = await openWatched(t, first.pageUrl)
  await page.locator('#sessions-list tbody tr').waitFor()
  await page.locator('#sessions-text').fill('other')
  await page.getByText('No sessions match the filter.').waitFor()
  await first.app.close()
  await page.locator('#banner').waitFor()
  t.match(await page.locator('#banner').innerText(), /Not connected to the gateway.*What you see is from \d\d:\d\d:\d\d/)
  await until(page, "document.title === 'Sluice: not connected'")
  t.equal(await page.locator('body.stale').count(), 1)

  const second = await start(t, first.port)
  await page.locator('#banner').waitFor({ state: 'hidden' })
  t.equal(await page.locator('body.stale').count(), 0)
  await openSocket(`${second.url}/chat/2`)
  await openSocket(`${second.url}/other`)
  await page.locator('#sessions-count').filter({ hasText: '0 of 2' }).waitFor()
  t.same(faults, [])
})

t.test('a gateway that stops says so', async t => {
  const { app, url, pageUrl } = await start(t)
  const socket = await openSocket(`${url}/chat/1`)
  const { page, faults } = await openWatched(t, pageUrl)
  await page.locator('#sessions-list tbody tr').waitFor()
  // The client does not take part in the closing handshake, so that the gateway waits for it.
  socket.pause()
  const closing = app.close()
  await page.locator('#stopping').waitFor()
  await until(page, "document.title === 'Sluice: stopping'")
  socket.resume()
  await closing
  await page.locator('#banner').waitFor()
  t.same(faults, [])
})

t.test('without violations for axe', async t => {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  const { url, pageUrl } = await start(t)
  await openSocket(`${url}/chat/1`)
  const { page } = await openWatched(t, pageUrl)
  await page.locator('#sessions-list tbody tr').waitFor()
  await page.evaluate(axe)
  t.same(await page.evaluate("axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))"), [])
})
