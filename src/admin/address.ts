import { chmod } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { removeStaleSocket } from '../net/unix-socket.js'
import { withDefaults } from '../options/defaults.js'
import { AdminOptions } from '../options/index.js'

/** Where an admin listener listens. */
export type AdminAddress = { socketPath: string } | { host: string, port: number }

export function adminAddress (options: AdminOptions): AdminAddress {
  if (options.socketPath !== undefined) return { socketPath: options.socketPath }
  const { host, port } = withDefaults(AdminOptions, options, ['host', 'port'])
  return { host, port }
}

/**
 * Listens, on a Unix socket for the user of the process alone.
 *
 * @returns The address, such as http://127.0.0.1:9901 or unix:/run/sluice/admin.sock.
 * @throws {Error} which names the option, when the address cannot be had.
 */
export async function listenAt (app: FastifyInstance, address: AdminAddress): Promise<string> {
  try {
    if (!('socketPath' in address)) return await app.listen({ ...address, listenTextResolver: text => `Admin listener at ${text}` })
    const { socketPath } = address
    await removeStaleSocket(socketPath)
    await app.listen({ path: socketPath, listenTextResolver: () => `Admin listener at unix:${socketPath}` })
    await chmod(socketPath, 0o600)
    return `unix:${socketPath}`
  } catch (error) {
    const { message } = error as Error
    throw new Error(`The admin listener cannot be opened: ${message}. Give 'admin' another ${'socketPath' in address ? 'socketPath' : 'port'}, or stop what is there.`, { cause: error })
  }
}
