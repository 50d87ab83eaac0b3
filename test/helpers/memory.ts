import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects what is garbage, as V8 does only when it needs memory. */
export const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of memory that is in use: of objects, and of what they keep outside V8's heap. Garbage is none of it. */
export function memoryInUse (): { heapUsed: number, external: number } {
  for (let round = 0; round < 4; round++) collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return { heapUsed, external }
}
