import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import { adminAddress, type AdminAddress } from '../admin/address.js'
import { adminFault } from '../admin/options.js'
import type { AdminServer } from '../admin/server.js'
import type { AdminSource } from '../admin/source.js'
import { ConfigInvalidError } from '../errors.js'
import type { AdminOptions } from '../options/index.js'
import type { AppParts } from './app.js'
import type { PreparedChange } from './front/front.js'

/** The admin listener of the service, which goes on over reloads. */
export class ServiceAdmin {
  readonly #source: () => Promise<AdminSource>
  readonly #log: () => FastifyBaseLogger
  #open: { server: AdminServer, address: AdminAddress } | undefined

  /** @param source Gives what it shows and changes, whenever a listener is opened; loaded only then. */
  constructor (source: () => Promise<AdminSource>, log: () => FastifyBaseLogger) {
    this.#source = source
    this.#log = log
  }

  /** Where it listens; undefined if it does not. */
  get address (): string | undefined {
    return this.#open?.server.address
  }

  /**
   * Makes ready what a configuration says of it: another address is listened on before the one that there was is left.
   *
   * @throws {ConfigInvalidError} as `adminOptions()` does.
   * @throws {Error} when the address cannot be had.
   */
  async prepare (parts: Pick<AppParts, 'config' | 'locate'>): Promise<PreparedChange> {
    const options = adminOptions(parts)
    const before = this.#open
    if (options === undefined) return { commit: () => this.#replace(undefined), discard () {} }
    const address = adminAddress(options)
    if (before !== undefined && isDeepStrictEqual(before.address, address)) return { commit: () => before.server.setToken(options.token), discard () {} }
    // Loaded only where it is asked for.
    const { AdminServer } = await import('../admin/server.js')
    const server = await AdminServer.open(await this.#source(), options)
    return { commit: () => this.#replace({ server, address }), discard: () => { server.close().catch(() => {}) } }
  }

  #replace (next: { server: AdminServer, address: AdminAddress } | undefined): void {
    const before = this.#open
    this.#open = next
    before?.server.close().catch(err => this.#log().error({ err }, 'the admin listener failed to close'))
  }

  async close (): Promise<void> {
    await this.#open?.server.close()
    this.#open = undefined
  }
}

/**
 * The options of the admin listener; undefined if there is to be none.
 *
 * @throws {ConfigInvalidError} for one that everybody could use.
 */
export function adminOptions ({ config: { admin = false }, locate }: Pick<AppParts, 'config' | 'locate'>): AdminOptions | undefined {
  if (typeof admin === 'boolean') return admin ? {} : undefined
  const fault = adminFault(admin)
  if (fault !== undefined) throw new ConfigInvalidError(`${locate(['admin', fault.option])}: ${fault.message}`)
  return admin
}
