/*
 * Makes the pictures of the status page, of a made-up gateway, and of the demo's page in docs/:
 *   npm run build && node --import=tsx scripts/page-screenshots.ts [FOLDER]
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { locateInObject } from '../src/service/places.js'
import { openGateway } from '../src/service/running-gateway.js'
import { findChromium } from '../test/helpers/chromium.js'
import { MadeUpGateway } from '../test/helpers/status-page.js'
import { lifelike } from '../test/helpers/status-page-data.js'
import { palettePng } from './palette-png.js'

const [folder = 'docs'] = process.argv.slice(2)
const cleanups: Array<() => unknown> = []
const madeUp = await new MadeUpGateway(lifelike()).start({ teardown: fn => cleanups.push(fn) })
const demo = openGateway({ config: { listen: { port: 0 } }, locate: locateInObject, demo: true, logger: false })
cleanups.push(() => demo.close())
const demoUrl = await demo.listen()
const browser = await chromium.launch({ executablePath: await findChromium(), args: ['--no-sandbox', '--disable-gpu'] })
try {
  await picture('status-page', 1200, 1860, madeUp.url, async page => {
    madeUp.tick()
    await page.locator('#sessions-list tbody tr').nth(5).waitFor()
    await page.locator('.value').first().filter({ hasText: /\d/ }).waitFor()
  })
  await picture('demo-page', 1200, 1190, demoUrl, async page => {
    await page.locator('#message-send[aria-disabled=false]').click()
    await page.locator('#socket-messages').filter({ hasText: '1 received' }).waitFor()
    await page.locator('#lose').click()
    await page.locator('#socket-line').filter({ hasText: 'lost 1006' }).waitFor()
    await page.locator('#message-send[aria-disabled=false]').click()
    await page.locator('#socket-messages').filter({ hasText: '1 received' }).waitFor()
    await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)')
    await page.mouse.move(0, 0)
  })
} finally {
  await browser.close()
  for (const cleanup of cleanups.reverse()) await cleanup()
}

/** One in light and one in dark colours. */
async function picture (name: string, width: number, height: number, url: string, fill: (page: Page) => Promise<void>): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' })
    await page.goto(url)
    await fill(page)
    // Two frames: the first draws what has come.
    await page.evaluate('new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
    const file = colorScheme === 'light' ? `${name}.png` : `${name}-dark.png`
    await writeFile(join(folder, file), await smaller(width, height, await page.screenshot()))
    await page.close()
  }
}

/** The browser reads its own screenshot, so that no library for images is needed. */
async function smaller (width: number, height: number, png: Buffer): Promise<Buffer> {
  const page: Page = await browser.newPage()
  const pixels = await page.evaluate(`(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${png.toString('base64')}'
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = image.width
    canvas.height = image.height
    const context = canvas.getContext('2d')
    context.drawImage(image, 0, 0)
    const { data } = context.getImageData(0, 0, image.width, image.height)
    let text = ''
    for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192))
    return btoa(text)
  })()`) as string
  await page.close()
  return palettePng(width, height, Buffer.from(pixels, 'base64'))
}
