import { unwatchFile, watchFile, type Stats } from 'node:fs'

/** How often files are looked at, in milliseconds. */
const INTERVAL = 500
/** How long after a change nothing more must have changed: an editor, or whoever renews a certificate, writes in steps. */
const QUIET = 200

/**
 * Watches files, also those that are replaced, or are links to files that are. Their state is polled: what the system
 * tells of a file ends when another one takes its name.
 *
 * @param onChange Is called when a file has changed, appeared or gone, and then nothing more for a moment.
 * @returns Ends it.
 */
export function watchFiles (paths: readonly string[], onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const listeners = paths.map(path => {
    const listener = (now: Stats, before: Stats): void => {
      if (now.mtimeMs === before.mtimeMs && now.ino === before.ino && now.size === before.size) return
      clearTimeout(timer)
      timer = setTimeout(onChange, QUIET)
    }
    watchFile(path, { interval: INTERVAL, persistent: false }, listener)
    return { path, listener }
  })
  return () => {
    clearTimeout(timer)
    for (const { path, listener } of listeners) unwatchFile(path, listener)
  }
}
