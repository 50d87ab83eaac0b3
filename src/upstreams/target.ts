import type { Socket } from 'node:net'
import type { Cancellation } from '../net/cancellation.js'
import type { TargetAddress } from '../net/target-address.js'
import type { Endpoint } from './endpoint.js'
import type { ResponseListener, TargetExchange, TargetLimits, TargetRequest } from './http1/target-exchange.js'

/** Whether a target is given anything new: one that drains is not. */
export type TargetState = 'ready' | 'draining'

/** One origin as a member of an upstream, with the upstream's limits. */
export class Target {
  weight: number
  readonly endpoint: Endpoint
  readonly limits: TargetLimits
  readonly #upstream: string

  /** @param upstream The name of its upstream. */
  constructor (upstream: string, endpoint: Endpoint, weight: number, limits: TargetLimits) {
    this.#upstream = upstream
    this.endpoint = endpoint
    this.weight = weight
    this.limits = limits
  }

  /** Lies with the endpoint, by the name of the upstream, so that it outlives a reload. */
  get state (): TargetState {
    const { draining } = this.endpoint
    return draining.size > 0 && draining.has(this.#upstream) ? 'draining' : 'ready'
  }

  set state (state: TargetState) {
    if (state === 'draining') this.endpoint.draining.add(this.#upstream)
    else this.endpoint.draining.delete(this.#upstream)
  }

  get address (): TargetAddress {
    return this.endpoint.address
  }

  /**
   * Opens a connection.
   *
   * @param timeout Milliseconds until it must stand, where that is not the upstream's limit.
   * @throws {TargetUnreachableError} with the reason as its cause, when refused, reset or too slow.
   * @throws The reason of the cancellation.
   */
  connect (cancellation: Cancellation, timeout = this.limits.connectTimeout): Promise<Socket> {
    return this.endpoint.connect(cancellation, timeout)
  }

  /** Sends a request, on a connection that is kept for the next one. */
  send (request: TargetRequest, listener: ResponseListener): TargetExchange {
    return this.endpoint.send(request, listener, this.limits)
  }

  /** Whether there is a connection that the target has authenticated for a client, and that waits for its next request. */
  isBoundTo (client: Socket): boolean {
    return this.endpoint.isBoundTo(client)
  }
}
