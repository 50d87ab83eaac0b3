/** As much as is read at a time. */
const SIZE = 64 * 1024
/** How much of it is kept for later: 2 MiB. */
const MOST = 32

const free: Buffer[] = []

/** A copy of what was read, in memory that is lent until it is given back. */
export interface Loan {
  copy: Buffer
  /** Nobody reads the copy any more. Where this is never said, the memory is left to the garbage collector. */
  giveBack (): void
}

/**
 * Copies a chunk that is about to be overwritten. Memory of its own for each large chunk costs more than all the
 * rest of its way (docs/benchmarks.md): Node asks the system for it, and gives it back when garbage is collected.
 */
export function lend (chunk: Buffer): Loan {
  const memory = free.pop() ?? Buffer.allocUnsafeSlow(SIZE)
  chunk.copy(memory)
  return {
    copy: memory.subarray(0, chunk.length),
    giveBack: () => { if (free.length < MOST) free.push(memory) }
  }
}
