import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { chromium, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { startCommandWithOneOutput, type Command } from './command.js'
import { temporaryFolder } from './temporary-folder.js'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

/** The name by which pages of `openPage()` may call this machine, as well as by its addresses. */
export const HOST_NAME = 'app.example'

/** A blank page of a headless Chromium, which ends with the test. */
export async function openPage (t: Test, options: BrowserContextOptions = {}): Promise<Page> {
  const browser = await chromium.launch({ executablePath: await findChromium(), args: [...FLAGS, `--host-resolver-rules=MAP ${HOST_NAME} 127.0.0.1`] })
  t.teardown(() => browser.close())
  const page = await browser.newPage(options)
  // What waits for a page that has crashed would wait for ever.
  page.on('crash', () => {
    t.fail('the page has crashed')
    browser.close().catch(() => {})
  })
  return page
}

/** A headless Chromium that is driven over its DevTools protocol, at `url`. */
export async function startChromium (t: Test): Promise<{ command: Command, url: string }> {
  const profile = await temporaryFolder(t)
  const flags = [...FLAGS, '--headless', '--remote-debugging-port=0', `--user-data-dir=${profile}`]
  const command = startCommandWithOneOutput(t, await findChromium(), [...flags, 'about:blank'])
  const [, host] = await command.output(/DevTools listening on ws:\/\/([\d.:]+)\//)
  return { command, url: `http://${host}` }
}

export async function findChromium (): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const path = join(folder, name)
      if (await access(path, constants.X_OK).then(() => true, () => false)) return path
    }
  }
  throw new Error(`None of ${NAMES.join(', ')} is on the PATH. Debian: apt-get install chromium`)
}
