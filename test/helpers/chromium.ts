import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

/** A blank page of a headless Chromium, which ends with the test. */
export async function openPage (t: Test): Promise<Page> {
  const browser = await chromium.launch({ executablePath: await findChromium(), args: FLAGS })
  t.teardown(() => browser.close())
  return await browser.newPage()
}

async function findChromium (): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const path = join(folder, name)
      if (await access(path, constants.X_OK).then(() => true, () => false)) return path
    }
  }
  throw new Error(`None of ${NAMES.join(', ')} is on the PATH. Debian: apt-get install chromium`)
}
