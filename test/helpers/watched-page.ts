import type { BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { openPage } from './chromium.js'

/** A page and what a page should never do. */
export interface WatchedPage {
  page: Page
  /** Errors of scripts, violations of its policy, requests to other origins, dialogs that a script has opened. */
  faults: string[]
}

/** Opens a page and watches it for what it should not do. A failed connection is no fault. */
export async function openWatched (t: Test, url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const page = await openPage(t, options)
  const faults: string[] = []
  const { host } = new URL(url)
  page.on('pageerror', error => faults.push(String(error)))
  page.on('console', message => {
    const text = message.text()
    if (message.type() === 'error' && !/ERR_CONNECTION|WebSocket|Failed to load resource/.test(text)) faults.push(text)
  })
  page.on('request', request => {
    const asked = new URL(request.url())
    if (asked.protocol !== 'data:' && asked.host !== host) faults.push(`request to ${request.url()}`)
  })
  page.on('websocket', socket => { if (new URL(socket.url()).host !== host) faults.push(`WebSocket to ${socket.url()}`) })
  page.on('dialog', dialog => {
    faults.push(`dialog: ${dialog.message()}`)
    dialog.dismiss().catch(() => {})
  })
  await page.addInitScript("document.addEventListener('securitypolicyviolation', event => console.error('policy violated: ' + event.violatedDirective + ' ' + event.blockedURI))")
  await page.goto(url)
  return { page, faults }
}

/** Waits until an expression is true in the page, with every change of its DOM. Playwright's own way needs eval(), which the page's policy forbids. */
export async function until (page: Page, expression: string): Promise<void> {
  await page.evaluate(`new Promise(resolve => {
    const look = () => { if (${expression}) { observer.disconnect(); resolve() } }
    const observer = new MutationObserver(look)
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
    look()
  })`)
}
