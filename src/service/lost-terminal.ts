import { closeSync } from 'node:fs'
import { isatty } from 'node:tty'

/**
 * Lets the process exit with its own code where its terminal has gone away meanwhile. Node 20 resets each terminal at
 * exit, and aborts, or never ends, where that fails. It leaves alone a descriptor that has been closed.
 */
export function surviveLostTerminal (): void {
  const terminals = [0, 1, 2].filter(fd => isatty(fd))
  if (terminals.length === 0) return
  process.once('exit', () => {
    for (const fd of terminals) if (!isatty(fd)) closeQuietly(fd)
  })
}

function closeQuietly (fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // Somebody has closed it already.
  }
}
