import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { addressesOf, resolver } from '../net/addresses.js'
import type { Cancellation } from '../net/cancellation.js'
import { dial } from '../net/dial.js'
import { connectShared } from '../net/shared-reads.js'
import { isName, type TargetAddress } from '../net/target-address.js'
import type { TlsClient, TlsClientOptions } from '../net/tls.js'
import { ConnectionPool } from './http1/pool.js'
import type { ResponseListener, TargetExchange, TargetLimits, TargetRequest } from './http1/target-exchange.js'
import { noLoad, type Load } from './load.js'
import type { Queues } from './queue.js'
import type { Standing } from './standing.js'

/** In how many responses in a row an address must be missing to be gone: some servers give a few of many at a time. */
const GONE = 3

/**
 * The connections to one origin, and what is known of it. All upstreams that name this origin, with the same TLS options,
 * share it; it outlives a reload.
 */
export class Endpoint {
  /** Two endpoints with one key are the same. */
  readonly key: string
  readonly address: TargetAddress
  readonly load: Load = noLoad()
  /** What waits for a place, here or elsewhere. */
  readonly queues: Queues
  /** What is known of it as a member of each upstream, by the upstream's name, and in how many configurations it is one. */
  readonly standings = new Map<string, { standing: Standing, users: number }>()
  #tls: TlsClientOptions
  readonly #isName: boolean
  /** The next address of its name that is tried first. */
  #turn = 0
  #resolving: NodeJS.Timeout | undefined
  /** In how many responses in a row each address of a connection was missing. */
  #missing = new Map<string, number>()
  readonly #pool = new ConnectionPool((cancellation, timeout) => this.connect(cancellation, timeout))
  /** Of the last TLS connection. */
  #session: Buffer | undefined

  constructor (key: string, address: TargetAddress, tls: TlsClientOptions, queues: Queues) {
    this.key = key
    this.queues = queues
    this.address = address
    this.#tls = tls
    this.#isName = isName(address)
  }

  /** New connections are made in another way from now on; those that are kept are used no more. */
  meetBy (tls: TlsClientOptions): void {
    if (isDeepStrictEqual(tls, this.#tls)) return
    this.#tls = tls
    this.#session = undefined
    this.#pool.leaveAll()
  }

  /**
   * Opens a connection of its own.
   *
   * @param timeout Milliseconds until it must stand.
   * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
   * @throws The reason of the cancellation.
   */
  connect (cancellation: Cancellation, timeout: number): Promise<Socket> {
    const turn = this.#isName ? this.#turn++ : 0
    if (this.#isName) this.#resolving ??= setInterval(() => this.#resolve(), resolver.interval).unref()
    const tls = this.#tls
    const onSession = (session: Buffer): void => { if (tls === this.#tls) this.#session = session }
    return connectShared(onread => dial(this.address, { timeout, tls, onread, cancellation, session: this.#session, onSession, turn }))
  }

  /** Leaves addresses that its name does not have any more: connections that are always in use would stay there. */
  #resolve (): void {
    if (!this.#pool.busy) return this.#stopResolving()
    addressesOf(this.address.hostname, (error, addresses) => {
      // What cannot be determined changes nothing.
      if (error !== null || addresses.length === 0) return
      const missing = new Map<string, number>()
      this.#pool.leave(({ remoteAddress }) => {
        if (remoteAddress === undefined || addresses.includes(remoteAddress)) return false
        missing.set(remoteAddress, (this.#missing.get(remoteAddress) ?? 0) + 1)
        return missing.get(remoteAddress)! >= GONE
      })
      this.#missing = missing
    })
  }

  #stopResolving (): void {
    clearInterval(this.#resolving)
    this.#resolving = undefined
    this.#missing.clear()
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
    this.#stopResolving()
    this.#pool.close()
  }
}

/** What tells one endpoint from another: where it is, and how it is met. */
export function endpointKey ({ url, host }: TargetAddress, { key }: TlsClient): string {
  return [url, host, key].join(' ')
}
