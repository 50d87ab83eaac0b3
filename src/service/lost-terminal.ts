import { closeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** The descriptors that were terminals at the start. */
const TERMINALS = [0, 1, 2].filter(fd => isatty(fd))

/**
 * Lets the process exit with its own code where its terminal has gone away meanwhile. Node 20 resets each terminal at
 * exit, and aborts, or never ends, where that fails. It leaves alone a descriptor that has been closed.
 */
export function surviveLostTerminal (): void {
  if (TERMINALS.length === 0) return
  process.once('exit', () => {
    for (const fd of TERMINALS) if (!isatty(fd)) closeQuietly(fd)
  })
}

/** Whether a terminal that was there at the start has gone: then a SIGHUP says so, and asks for nothing. */
export function hasLostTerminal (): boolean {
  return TERMINALS.some(fd => !isatty(fd))
}

function closeQuietly (fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // Somebody has closed it already.
  }
}
