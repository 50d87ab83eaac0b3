import type { Socket } from 'node:net'
import type { Cancellation } from '../net/cancellation.js'
import { dial } from '../net/dial.js'
import type { ResponseListener, TargetExchange, TargetRequest } from './http1/target-exchange.js'
import { ConnectionPool, type PoolLimits } from './http1/pool.js'
import { connectShared } from '../net/shared-reads.js'
import type { TargetAddress } from '../net/target-address.js'
import type { TlsClientOptions } from '../net/tls.js'

/** What a target gets from its upstream: limits in milliseconds, bytes and numbers, and how it is met over TLS. */
export interface TargetPolicy extends PoolLimits {
  connectTimeout: number
  tls: TlsClientOptions
}

/** One origin, with the connections of the HTTP leg to it. */
export class Target {
  readonly address: TargetAddress
  readonly weight: number
  readonly policy: TargetPolicy
  readonly #pool: ConnectionPool
  /** Of the last TLS connection. */
  #session: Buffer | undefined
  readonly #onSession = (session: Buffer): void => { this.#session = session }

  constructor (address: TargetAddress, weight: number, policy: TargetPolicy) {
    this.address = address
    this.weight = weight
    this.policy = policy
    this.#pool = new ConnectionPool(policy, cancellation => this.connect(cancellation))
  }

  /**
   * Opens a connection.
   *
   * @param timeout Milliseconds until it must stand, where that is not the upstream's limit.
   * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
   */
  connect (cancellation: Cancellation, timeout = this.policy.connectTimeout): Promise<Socket> {
    const { tls } = this.policy
    return connectShared(onread => dial(this.address, { timeout, tls, onread, cancellation, session: this.#session, onSession: this.#onSession }))
  }

  /** Sends a request, on a connection that is kept for the next one. */
  send (request: TargetRequest, listener: ResponseListener): TargetExchange {
    return this.#pool.send(request, listener)
  }

  /** Whether connections are open, or being made, for requests. */
  get busy (): boolean {
    return this.#pool.busy
  }

  /** Whether there is a connection that the target has authenticated for a client, and that waits for its next request. */
  isBoundTo (client: Socket): boolean {
    return this.#pool.isBoundTo(client)
  }

  /** Closes the connections once the requests under way are done. */
  retire (): void {
    this.#pool.retire()
  }

  /** Destroys the connections; requests still under way fail. */
  close (): void {
    this.#pool.close()
  }
}
