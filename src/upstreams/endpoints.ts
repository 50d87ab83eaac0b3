import type { TargetAddress } from '../net/target-address.js'
import type { TlsClientOptions } from '../net/tls.js'
import { Endpoint, endpointKey } from './endpoint.js'

/** The endpoints of a gateway, counted by who uses them, so that they outlive the configuration that named them first. */
export class Endpoints {
  readonly #inUse = new Map<string, { endpoint: Endpoint, users: number }>()
  /** Those that nobody names any more, with requests or sessions under way. Named again, they come back with these. */
  readonly #retired = new Map<string, Endpoint>()

  /** The endpoint at an address, to be given back by `release()`. */
  acquire (address: TargetAddress, tls: TlsClientOptions): Endpoint {
    const key = endpointKey(address, tls)
    let entry = this.#inUse.get(key)
    if (entry === undefined) this.#inUse.set(key, entry = { endpoint: this.#revived(key) ?? new Endpoint(key, address, tls), users: 0 })
    entry.users++
    return entry.endpoint
  }

  /** One of its users is gone. Behind the last of them, its connections are closed once the requests on them are done. */
  release (endpoint: Endpoint): void {
    const entry = this.#inUse.get(endpoint.key)
    if (entry === undefined || --entry.users > 0) return
    this.#inUse.delete(endpoint.key)
    endpoint.retire()
    for (const [key, retired] of this.#retired) if (!retired.inUse) this.#retired.delete(key)
    if (endpoint.inUse) this.#retired.set(endpoint.key, endpoint)
  }

  #revived (key: string): Endpoint | undefined {
    const endpoint = this.#retired.get(key)
    this.#retired.delete(key)
    endpoint?.revive()
    return endpoint
  }

  /** How many are in use. */
  get size (): number {
    return this.#inUse.size
  }

  /** Destroys all connections. */
  close (): void {
    for (const { endpoint } of this.#inUse.values()) endpoint.close()
    for (const endpoint of this.#retired.values()) endpoint.close()
  }
}
