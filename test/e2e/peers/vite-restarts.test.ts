import t from 'tap'
import { startSluice } from '../../helpers/sluice-command.js'
import { startViteCommand, type ViteCommand } from '../../helpers/vite.js'
import { hotReload, openApp, type OpenedApp } from './hot-reload.js'

/* Issue 8, A: a dev server that comes back has its page loaded anew, by each kind of Vite's client. */

const RESTARTS: Array<[name: string, restart: (vite: ViteCommand) => Promise<void>]> = [
  ['is restarted by a change of its configuration', vite => vite.reconfigure()],
  ['is killed and started again', async vite => {
    await vite.kill()
    await vite.start()
  }]
]

for (const name of ['vite-5', 'vite'] as const) {
  t.test(`${name} behind the gateway`, async t => {
    const vite = await startViteCommand(t, name, 'before the edit')
    const { url } = await startSluice(t, [vite.url])
    const opened = await openApp(t, url)
    t.equal(opened.outcome, '[vite] connected.')

    for (const [what, restart] of RESTARTS) {
      t.test(`the page is loaded anew when it ${what}, and hot reload works on`, async t => {
        await vite.write('before the edit')
        await reloads(opened, () => restart(vite))
        t.equal(await opened.page.locator('p').textContent(), 'before the edit')
        await hotReload(t, vite, opened)
      })
    }

    t.test('every WebSocket of the page went to the gateway', async t => {
      t.same([...new Set(opened.sockets)], [new URL(url).host])
      t.equal(opened.sockets.length, 1 + RESTARTS.length)
    })
  })
}

/** Waits until the page has been loaded anew and Vite's client has connected again. */
async function reloads ({ page }: OpenedApp, restart: () => Promise<void>): Promise<void> {
  await page.evaluate('window.marker = "loaded once"')
  const connected = page.waitForEvent('console', message => message.text() === '[vite] connected.')
  await restart()
  await connected
  if (await page.evaluate('window.marker') !== undefined) throw new Error('The page was not loaded anew.')
}
