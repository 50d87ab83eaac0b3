import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { locateInObject } from '../../../src/service/places.js'
import { startDemoUpstream } from '../../../src/service/demo/upstream.js'
import { openGateway, type RunningGateway } from '../../../src/service/running-gateway.js'
import { openPage } from '../../helpers/chromium.js'
import { openSocket } from '../../helpers/sockets.js'
import { openWatched, until } from '../../helpers/watched-page.js'

// The demo's page in Chromium, through a real gateway. It is the page that `npm run build` made.

t.setTimeout(240_000)

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function start (t: Test, port = 0): Promise<{ gateway: RunningGateway, url: string }> {
  const gateway = openGateway({ config: { listen: { port } }, locate: locateInObject, demo: true, logger: false })
  t.teardown(() => gateway.close())
  return { gateway, url: await gateway.listen() }
}

const textOf = (page: Page, id: string): Promise<string> => page.locator(`#${id}`).innerText()

/** A list of headers, in one line. */
const headersOf = async (page: Page, id: string): Promise<string> => (await textOf(page, id)).replaceAll(/\s+/g, ' ').replaceAll(' : ', ': ')

/** Waits until the page has a session. */
const isOpen = (page: Page): Promise<void> => until(page, "document.getElementById('socket-state').textContent === 'open'")

/** Waits until an element has a text in which this is. */
const shows = (page: Page, id: string, text: string): Promise<void> =>
  until(page, `document.getElementById(${JSON.stringify(id)}).textContent.includes(${JSON.stringify(text)})`)

/** Presses a button that ends the session, and waits for the log line beside it and for the next session. */
async function press (page: Page, id: string): Promise<{ seen: string, wire: string, line: string }> {
  await isOpen(page)
  await page.locator(`#${id}`).click()
  await shows(page, `${id}-line`, 'demo http')
  const texts = { seen: await textOf(page, `${id}-seen`), wire: await textOf(page, `${id}-wire`), line: await textOf(page, `${id}-line`) }
  await isOpen(page)
  return texts
}

t.test('a request is sent when the page is opened: what was removed, added and replaced, the response and the log line', async t => {
  const { url } = await start(t)
  const { host } = new URL(url)
  const { page, faults } = await openWatched(t, url)
  await shows(page, 'request-line', 'POST /demo/request 200')
  await shows(page, 'request-headers', 'X-Real-IP')
  const headers = await headersOf(page, 'request-headers')
  t.match(headers, /removed X-Real-IP: 203\.0\.113\.7/)
  t.match(headers, /replaced X-Forwarded-For: 203\.0\.113\.7 → to the target: 127\.0\.0\.1/)
  t.match(headers, new RegExp(`added X-Forwarded-Host: ${host}`))
  t.match(headers, /added X-Request-Id: [\w-]{36}/)
  t.match(headers, /Passed on as they came: \d\d/)
  t.match(await textOf(page, 'request-response'), /^HTTP\/1\.1 200 OK\n[^]*\n\n\{"target"/)
  t.match(await textOf(page, 'request-path'), new RegExp(`Browser\\s+127\\.0\\.0\\.1:\\d+[^]*POST /demo/request[^]*Gateway\\s+${host}[^]*Target\\s+127\\.0\\.0\\.1:\\d+`))

  const before = await textOf(page, 'request-line')
  await page.locator('#request-send').click()
  await until(page, `document.getElementById('request-line').textContent !== ${JSON.stringify(before)}`)
  t.same(faults, [])
})

t.test('the session: handshake, subprotocol and messages, of which none is taken for HTML', async t => {
  const { url } = await start(t)
  const { page, faults } = await openWatched(t, url)
  await isOpen(page)
  await shows(page, 'socket-headers', 'Upgrade')
  t.match(await headersOf(page, 'socket-headers'), /for this hop Connection: Upgrade for this hop Upgrade: websocket/)
  t.match(await textOf(page, 'socket-protocol'), 'demo.v1, chosen by the target')
  await page.locator('#message').fill('<b>again</b>')
  await page.locator('#message').press('Enter')
  await shows(page, 'socket-messages', '1 sent, 1 received')
  t.match(await textOf(page, 'frames'), /↓[^]*<b>again<\/b>[^]*↑[^]*<b>again<\/b>/)
  await page.locator('#message-send').click()
  await shows(page, 'socket-messages', '2 sent, 2 received')
  t.match(await textOf(page, 'socket-trip'), /\d\sms$/)
  t.same(faults, [])
})

t.test('each button: what the browser saw, what went over the wire, and the log line; and the page is back', async t => {
  const { url } = await start(t)
  const { page, faults } = await openWatched(t, url)
  const refused = await press(page, 'refuse')
  t.match(refused.seen, /close code 1006/)
  t.match(refused.wire, /^HTTP\/1\.1 401 Unauthorized\n[^]*www-authenticate: Bearer realm="demo"[^]*\n\n\{"error":"Unauthorized"/)
  t.match(refused.line, /GET \/demo\/refused\?try=[\da-z]+ 401 /)

  const lost = await press(page, 'lose')
  t.match(lost.seen, /^1006, no reason, not clean/)
  t.match(lost.wire, 'to the browser: end of the connection, no Close')
  t.match(lost.line, /ended by target: lost 1006/)
  t.match(await textOf(page, 'socket-end'), /^1006, .*, by the target \(lost\)$/)

  const policy = await press(page, 'policy')
  t.match(policy.seen, /^1008, /)
  t.match(policy.wire, /to the browser: Close 1008/)
  t.match(policy.line, /ended by gateway: rate 1008/)

  const drained = await press(page, 'drain')
  t.equal(drained.seen, "1012 'service restart', clean")
  t.match(drained.wire, /to the browser: Close 1012\nto the target: +Close 1012/)
  t.match(drained.line, /ended by gateway: application 1012/)
  t.equal(await textOf(page, 'state-text'), 'Connected', 'the feed goes on')

  const log = await textOf(page, 'log')
  for (const { line } of [refused, lost, policy, drained]) t.ok(log.includes(line), line)
  t.same(faults, [])
})

t.test('every button can be reached and pressed by the keyboard', async t => {
  const { url } = await start(t)
  const { page } = await openWatched(t, url)
  await isOpen(page)
  const reached: string[] = []
  for (let pressed = 0; pressed < 40; pressed++) {
    await page.keyboard.press('Tab')
    const id = await page.evaluate('document.activeElement.id') as string
    reached.push(id)
    if (id === 'drain') break
  }
  t.match(reached.filter(id => ['request-send', 'message', 'message-send', 'refuse', 'lose', 'policy', 'drain'].includes(id)),
    ['request-send', 'message', 'message-send', 'refuse', 'lose', 'policy', 'drain'])
  await page.keyboard.press('Enter')
  await shows(page, 'drain-line', '1012')
})

t.test('after a restart of the gateway, both connections come back by themselves', async t => {
  const first = await start(t)
  const { page, faults } = await openWatched(t, first.url)
  await isOpen(page)
  await first.gateway.close()
  await page.locator('#banner').waitFor()
  await until(page, "document.title === 'Sluice demo: not connected'")
  await shows(page, 'socket-state', 'the next attempt comes in')
  await shows(page, 'socket-line', 'ended by gateway: drain 1012')
  t.equal(await textOf(page, 'socket-end'), '1012, no reason, clean, by the gateway (drain)')
  t.equal(await page.locator('#message-send').getAttribute('aria-disabled'), 'true')

  await start(t, Number(new URL(first.url).port))
  await page.locator('#banner').waitFor({ state: 'hidden' })
  await isOpen(page)
  t.match((await press(page, 'drain')).seen, /^1012/)
  t.match(await textOf(page, 'log'), /drain 1012[^]*application 1012/, 'the lines of before stay')
  t.same(faults, [])
})

t.test('the log keeps the last 50 lines, and nothing else moves while they come', async t => {
  const { url } = await start(t)
  const { page, faults } = await openWatched(t, url)
  await isOpen(page)
  await shows(page, 'request-line', 'POST')
  await page.locator('#log').scrollIntoViewIfNeeded()
  await page.evaluate(`
    window.shifted = []
    new PerformanceObserver(list => {
      for (const { sources } of list.getEntries()) for (const { node } of sources) if (node !== null && node.parentElement.closest('#log') === null) window.shifted.push(node.id || node.nodeName)
    }).observe({ type: 'layout-shift' })
  `)
  for (let index = 1; index <= 60; index++) await (await fetch(`${url}/demo/request?${'long'.repeat(100)}${index}`)).text()
  const socket = await openSocket(`${url}/echo`)
  socket.close(1000)
  await shows(page, 'log', 'WS /echo ended by client: close 1000')
  t.equal(await page.locator('#log > li').count(), 50)
  t.same(await page.evaluate('window.shifted'), [])
  t.same(faults, [])
})

t.test('from 280 to 1920 px nothing is wider than the page, however long the texts', async t => {
  const { url } = await start(t)
  const { page, faults } = await openWatched(t, url)
  await isOpen(page)
  await page.locator('#message').fill('W'.repeat(5_000))
  await page.locator('#message-send').click()
  await shows(page, 'frames', '(5,000 characters)')
  await press(page, 'refuse')
  await press(page, 'lose')
  await (await fetch(`${url}/demo/request?${'W'.repeat(2_000)}`)).text()
  await shows(page, 'log', 'WWWW')
  await page.locator('#log summary').last().click()
  await page.locator('#request-headers summary').click()
  for (const width of [280, 320, 360, 480, 640, 768, 900, 1024, 1280, 1600, 1920]) {
    await page.setViewportSize({ width, height: 900 })
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, `${width} px`)
  }
  t.same(faults, [])
})

t.test('without violations for axe', async t => {
  const { url } = await start(t)
  const { page } = await openWatched(t, url, { reducedMotion: 'reduce' })
  await isOpen(page)
  for (const id of ['refuse', 'lose', 'policy', 'drain']) await press(page, id)
  await page.locator('#log summary').last().click()
  await page.evaluate(axe)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: 900 })
      t.same(await page.evaluate("axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))"), [], `${colorScheme}, ${width} px`)
    }
  }
})

t.test('a page of another origin cannot use it', async t => {
  const { url } = await start(t)
  const other = await start(t)
  const page = await openPage(t)
  // Of another port, which is of another origin. Its own policy would stop it first.
  await page.route(`${other.url}/`, route => route.fulfill({ contentType: 'text/html', body: '<title>other</title>' }))
  await page.goto(other.url)
  for (const path of ['/demo/feed', '/demo/socket', '/echo']) {
    t.equal(await page.evaluate(`new Promise(resolve => {
      const socket = new WebSocket(${JSON.stringify(url.replace('http', 'ws') + path)})
      socket.onopen = () => resolve('open')
      socket.onerror = () => resolve('refused')
    })`), 'refused', path)
  }
})

t.test('opened past the gateway, the page says so', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const page = await openPage(t)
  await page.goto(demo.url)
  await shows(page, 'straight', 'This page came straight from the target')
})
