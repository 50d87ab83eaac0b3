/** The server's time, which may differ from the browser's. */

let last: { server: number, browser: number } | undefined

/** The server has just said what time it is. */
export function setServerTime (at: number): void {
  last = { server: at, browser: performance.now() }
}

export function serverNow (): number {
  return last === undefined ? Date.now() : last.server + performance.now() - last.browser
}

/** When the server was last heard from, by its own clock. */
export function heardAt (): number | undefined {
  return last?.server
}
