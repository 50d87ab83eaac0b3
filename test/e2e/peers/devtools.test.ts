import { createServer } from 'node:http'
import { chromium } from 'playwright-core'
import t from 'tap'
import { startChromium } from '../../helpers/chromium.js'
import { listen } from '../../helpers/backends.js'
import { startGateway } from '../../helpers/gateway.js'

t.test("Chromium's DevTools protocol drives a browser", async t => {
  const site = await listen(t, createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>Through the gateway</title><button onclick="this.textContent = \'pressed\'">press</button>')
  }))
  const browser = await startChromium(t)
  const gateway = await startGateway(t, { targets: [browser.url] })

  // It learns the WebSocket's address from /json/version, where Chromium names the host that it was asked as.
  const driver = await chromium.connectOverCDP(`http://127.0.0.1:${gateway.port}`)
  t.match(gateway.app.gateway.sessions.list(), [{ route: '/*', target: browser.url }])
  const page = await driver.contexts()[0]!.newPage()
  await page.goto(site.url)
  t.equal(await page.title(), 'Through the gateway')
  await page.getByRole('button').click()
  t.equal(await page.getByRole('button').textContent(), 'pressed')
  t.equal((await page.screenshot()).subarray(1, 4).toString(), 'PNG')
  t.equal(await page.evaluate('"x".repeat(2 ** 22).length'), 2 ** 22)
  t.equal((await page.evaluate('"x".repeat(2 ** 22)') as string).length, 2 ** 22, 'a response of 4 MiB')

  const session = await driver.newBrowserCDPSession()
  const gone = new Promise(resolve => driver.once('disconnected', resolve))
  await session.send('Browser.close').catch(() => {}) // The response may not get out before the end.
  await gone
  t.equal(await browser.command.ended, 0)
  await gateway.ended()
  t.equal(gateway.app.gateway.sessions.size, 0)
})
