/*
 * Makes docs/status-page.png and docs/status-page-dark.png with a made-up gateway:
 *   npm run build && node --import=tsx scripts/page-screenshots.ts [WIDTH [HEIGHT [FOLDER]]]
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { findChromium } from '../test/helpers/chromium.js'
import { MadeUpGateway } from '../test/helpers/status-page.js'
import { lifelike } from '../test/helpers/status-page-data.js'
import { palettePng } from './palette-png.js'

const [width = '1200', height = '1860', folder = 'docs'] = process.argv.slice(2)
const cleanups: Array<() => unknown> = []
const gateway = await new MadeUpGateway(lifelike()).start({ teardown: fn => cleanups.push(fn) })
const browser = await chromium.launch({ executablePath: await findChromium(), args: ['--no-sandbox', '--disable-gpu'] })
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme })
    await page.goto(gateway.url)
    gateway.tick()
    await page.locator('#sessions-list tbody tr').nth(5).waitFor()
    await page.locator('.value').first().filter({ hasText: /\d/ }).waitFor()
    // Two frames: the first draws what has come.
    await page.evaluate('new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
    await writeFile(join(folder, colorScheme === 'light' ? 'status-page.png' : 'status-page-dark.png'), await smaller(await page.screenshot()))
    await page.close()
  }
} finally {
  await browser.close()
  for (const cleanup of cleanups.reverse()) await cleanup()
}

/** The browser reads its own screenshot, so that no library for images is needed. */
async function smaller (png: Buffer): Promise<Buffer> {
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
  return palettePng(Number(width), Number(height), Buffer.from(pixels, 'base64'))
}
