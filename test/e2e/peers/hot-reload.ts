import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { openPage } from '../../helpers/chromium.js'
import type { Vite } from '../../helpers/vite.js'

/** Edits the opened app, and expects the edit on the page without a reload. */
export async function hotReload (t: Test, vite: Pick<Vite, 'write'>, { page }: Pick<OpenedApp, 'page'>): Promise<void> {
  const shown = page.locator('p')
  t.equal(await shown.textContent(), 'before the edit')

  // What the page knows is lost when it is loaded anew.
  await page.evaluate('window.marker = "loaded once"')
  await vite.write('after the edit')
  await page.getByText('after the edit').waitFor()

  t.equal(await shown.textContent(), 'after the edit', 'the edit is on the page')
  t.equal(await page.evaluate('window.marker'), 'loaded once', 'the page was not loaded anew')
}

/** Opens the app at `url` in a browser and expects hot reload through the gateway. */
export async function hotReloadAt (t: Test, vite: Vite, url: string): Promise<void> {
  const opened = await openApp(t, url)
  t.equal(opened.outcome, '[vite] connected.')
  await hotReload(t, vite, opened)
  t.same(opened.sockets, [new URL(url).host], 'the only WebSocket went to the gateway')
}

export interface OpenedApp {
  page: Page
  /** Host and port of every WebSocket that the page tried to open. */
  sockets: string[]
  /** What Vite's client said in the console in the end. */
  outcome: string
}

/** Opens the app at `url` in a browser and waits until Vite's client is connected or has given up. */
export async function openApp (t: Test, url: string): Promise<OpenedApp> {
  const page = await openPage(t)
  const sockets: string[] = []
  page.on('websocket', socket => sockets.push(new URL(socket.url()).host))
  const said = page.waitForEvent('console', message => /^\[vite\] (connected|failed)/.test(message.text()))
  await page.goto(url)
  return { page, sockets, outcome: (await said).text() }
}
