import { readdirSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'

/** What a process holds. */
export interface Usage { descriptors: number, heap: number, external: number, resources: Record<string, number> }

/** What this process holds, after a thorough collection of garbage. */
export async function usage (): Promise<Usage> {
  for (let round = 0; round < 6; round++) {
    await turn()
    globalThis.gc!()
  }
  const { heapUsed, external } = process.memoryUsage()
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  // The reading itself takes one.
  const descriptors = readdirSync('/proc/self/fd').length - 1
  return { descriptors, heap: heapUsed, external, resources }
}

/** What a program holds when no connection is open; the last may still be on its way out. */
export async function settled<Held extends Usage> (ask: () => Promise<Held>): Promise<Held> {
  for (let attempt = 0; ; attempt++) {
    const held = await ask()
    if (held.resources.TCPSocketWrap === undefined || attempt === 50) return held
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}
