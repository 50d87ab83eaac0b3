import { availableParallelism } from 'node:os'
import type { GatewayConfig } from '../../options/index.js'

/** How many workers a configuration asks for; undefined for none, where a single process serves. */
export function workerCount ({ workers }: Pick<GatewayConfig, 'workers'>): number | undefined {
  return workers === 'auto' ? availableParallelism() : workers
}
