/*
 * Makes docs/status-page.png and docs/status-page-dark.png with a made-up gateway:
 *   npm run build && node --import=tsx scripts/page-screenshots.ts [WIDTH [HEIGHT [FOLDER]]]
 */
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { findChromium } from '../test/helpers/chromium.js'
import { MadeUpGateway } from '../test/helpers/status-page.js'
import { lifelike } from '../test/helpers/status-page-data.js'

const [width = '1200', height = '1400', folder = 'docs'] = process.argv.slice(2)
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
    await page.screenshot({ path: join(folder, colorScheme === 'light' ? 'status-page.png' : 'status-page-dark.png') })
    await page.close()
  }
} finally {
  await browser.close()
  for (const cleanup of cleanups.reverse()) await cleanup()
}
