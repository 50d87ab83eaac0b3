import t from 'tap'
import { locateInObject } from '../../../src/service/config.js'
import { openGateway } from '../../../src/service/gateway.js'
import { startDemoUpstream } from '../../../src/service/demo/upstream.js'
import { openPage } from '../../helpers/chromium.js'

t.test('in a browser, the page shows the round trip through the gateway', async t => {
  const gateway = openGateway({ config: { listen: { port: 0 } }, locate: locateInObject, demo: true, logger: false })
  t.teardown(() => gateway.close())
  const address = await gateway.listen()
  const host = new URL(address).host

  const page = await openPage(t)
  await page.goto(address)
  await page.waitForFunction("document.getElementById('trip').textContent.endsWith(' ms')")
  t.equal(await page.innerText('#state'), 'open')
  t.equal(await page.innerText('#echo'), 'Hello through the gateway')
  t.match(await page.innerText('#way'), new RegExp(`^through the gateway at ${host} to the upstream at 127\\.0\\.0\\.1:\\d+$`))
  const headers = await page.innerText('#headers')
  t.match(headers, /connection\s+Upgrade/i)
  t.match(headers, /x-forwarded-for\s+127\.0\.0\.1/)

  await page.fill('#text', '<b>again</b>')
  await page.click('button')
  await page.waitForFunction("document.getElementById('echo').textContent === '<b>again</b>'")

  await gateway.close()
  await page.waitForFunction("document.getElementById('state').textContent === 'closed with code 1012'")
})

t.test('opened past the gateway, the page says so', async t => {
  const demo = await startDemoUpstream()
  t.teardown(demo.close)
  const page = await openPage(t)
  await page.goto(demo.url)
  await page.waitForFunction("document.getElementById('way').textContent.startsWith('straight to the upstream')")
})
