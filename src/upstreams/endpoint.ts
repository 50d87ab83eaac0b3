import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Cancellation } from '../net/cancellation.js'
import { dial } from '../net/dial.js'
import { connectShared } from '../net/shared-reads.js'
import type { TargetAddress } from '../net/target-address.js'
import type { TlsClientOptions } from '../net/tls.js'
import { ConnectionPool } from './http1/pool.js'
import type { ResponseListener, TargetExchange, TargetLimits, TargetRequest } from './http1/target-exchange.js'
import type { Standing } from './standing.js'

/** What a target has to do now. */
export interface Load {
  requests: number
  handshakes: number
  sessions: number
}

/**
 * The connections to one origin, and what is known of it. All upstreams that name this origin, with the same TLS options,
 * share it; it outlives a reload.
 */
export class Endpoint {
  /** Two endpoints with one key are the same. */
  readonly key: string
  readonly address: TargetAddress
  readonly load: Load = { requests: 0, handshakes: 0, sessions: 0 }
  /** What is known of it as a member of each upstream, by the upstream's name, and in how many configurations it is one. */
  readonly standings = new Map<string, { standing: Standing, users: number }>()
  readonly #tls: TlsClientOptions
  readonly #pool = new ConnectionPool((cancellation, timeout) => this.connect(cancellation, timeout))
  /** Of the last TLS connection. */
  #session: Buffer | undefined
  readonly #onSession = (session: Buffer): void => { this.#session = session }

  constructor (key: string, address: TargetAddress, tls: TlsClientOptions) {
    this.key = key
    this.address = address
    this.#tls = tls
  }

  /**
   * Opens a connection of its own.
   *
   * @param timeout Milliseconds until it must stand.
   * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
   * @throws The reason of the cancellation.
   */
  connect (cancellation: Cancellation, timeout: number): Promise<Socket> {
    return connectShared(onread => dial(this.address, { timeout, tls: this.#tls, onread, cancellation, session: this.#session, onSession: this.#onSession }))
  }

  /** Sends a request, on a connection that is kept for the next one. */
  send (request: TargetRequest, listener: ResponseListener, limits: TargetLimits): TargetExchange {
    return this.#pool.send(request, listener, limits)
  }

  /** Whether there is a connection that the target has authenticated for a client, and that waits for its next request. */
  isBoundTo (client: Socket): boolean {
    return this.#pool.isBoundTo(client)
  }

  /** Whether it is needed still: something is under way there. */
  get inUse (): boolean {
    const { requests, handshakes, sessions } = this.load
    return requests + handshakes + sessions > 0 || this.#pool.busy
  }

  /** Keeps connections again. */
  revive (): void {
    this.#pool.revive()
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

/** What tells one endpoint from another: where it is, and how it is met over TLS. */
export function endpointKey ({ origin }: TargetAddress, tls: TlsClientOptions): string {
  return Object.keys(tls).length === 0 ? origin : `${origin} ${createHash('sha256').update(JSON.stringify(tls, Object.keys(tls).sort())).digest('base64url')}`
}
