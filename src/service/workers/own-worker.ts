import cluster from 'node:cluster'
import { PROTOCOL, WORKER_VARIABLE } from './protocol.js'

/**
 * The number of this process among the workers of a service; undefined where it is none, as in a worker of somebody
 * else's cluster. Programs that it starts do not take themselves for one.
 */
export function ownWorker (): number | undefined {
  const value = process.env[WORKER_VARIABLE]
  delete process.env[WORKER_VARIABLE]
  if (value === undefined || !cluster.isWorker) return undefined
  const [number, protocol] = value.split('/').map(Number)
  if (protocol === PROTOCOL) return number
  process.stderr.write('sluice: the service that started this worker is of a version with which it cannot talk. Restart the service itself.\n')
  process.exit(1)
}
