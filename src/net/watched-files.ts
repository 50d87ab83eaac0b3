import { stat, unwatchFile, watchFile, type Stats } from 'node:fs'

/** Milliseconds. */
export interface WatchTimes {
  /** How often files are looked at. */
  interval: number
  /** How long files must stay unchanged after a change: editors and certificate renewals write in several steps. */
  quiet: number
}

const TIMES: WatchTimes = { interval: 500, quiet: 200 }
/** How far the time of a file may be behind the clock, in milliseconds. */
const CLOCK_TICK = 20

/**
 * Watches files, also those that are replaced, or are links to files that are. Their state is polled: what the system
 * tells of a file ends when another one takes its name.
 *
 * @param since When they were read, as `Date.now()` counts: what has changed since then counts, too.
 * @param onChange Is called when a file has changed, appeared or gone, and then nothing more for a moment.
 * @param times For tests.
 * @returns Ends it.
 */
export function watchFiles (paths: readonly string[], since: number, onChange: () => void, { interval, quiet } = TIMES): () => void {
  let timer: NodeJS.Timeout | undefined
  let over = false
  const changed = (): void => {
    clearTimeout(timer)
    if (!over) timer = setTimeout(onChange, quiet)
  }
  const listeners = paths.map(path => {
    const listener = (now: Stats, before: Stats): void => {
      if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino || now.size !== before.size) changed()
    }
    watchFile(path, { interval, persistent: false }, listener)
    stat(path, (error, { mtimeMs } = {} as Stats) => { if (error === null && mtimeMs > since - CLOCK_TICK) changed() })
    return { path, listener }
  })
  return () => {
    over = true
    clearTimeout(timer)
    for (const { path, listener } of listeners) unwatchFile(path, listener)
  }
}
