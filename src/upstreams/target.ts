import type { Socket } from 'node:net'
import type { Cancellation } from '../net/cancellation.js'
import type { TargetAddress } from '../net/target-address.js'
import { hashOf } from './balancing/hash.js'
import type { Candidate } from './balancing/balancer.js'
import type { Endpoint } from './endpoint.js'
import type { ResponseListener, TargetExchange, TargetLimits, TargetRequest } from './http1/target-exchange.js'
import type { UpstreamLoad } from './load.js'
import type { Standing, TargetHealth, TargetState } from './standing.js'

/** The least share of its weight that a target has while it starts slowly. */
const SLOWEST = 0.1

/** What a target is, beside where it is. */
export interface TargetOfUpstream {
  weight: number
  priority: number
  /** What all targets of the upstream have to do. */
  total: UpstreamLoad
  labels: Readonly<Record<string, string>>
  limits: TargetLimits
  /** Milliseconds over which its weight grows when it is new or came back. */
  slowStart: number
}

/** One origin as a member of an upstream, with the upstream's limits. */
export class Target implements Candidate {
  /** Its share while it starts slowly, else its weight. */
  effectiveWeight: number
  readonly index: number
  readonly endpoint: Endpoint
  readonly standing: Standing
  readonly limits: TargetLimits
  readonly labels: Readonly<Record<string, string>>
  readonly priority: number
  readonly total: UpstreamLoad
  readonly seed: number
  readonly #slowStart: number
  #weight: number

  constructor (index: number, endpoint: Endpoint, standing: Standing, { weight, priority, total, labels, limits, slowStart }: TargetOfUpstream) {
    this.index = index
    this.endpoint = endpoint
    this.standing = standing
    this.#weight = this.effectiveWeight = weight
    this.priority = priority
    this.total = total
    this.labels = labels
    this.limits = limits
    this.seed = hashOf(endpoint.address.url)
    this.#slowStart = slowStart
  }

  get state (): TargetState {
    return this.standing.state
  }

  get health (): TargetHealth {
    return this.standing.health
  }

  get address (): TargetAddress {
    return this.endpoint.address
  }

  get load (): number {
    const { requests, handshakes, sessions } = this.endpoint.load
    return requests + handshakes + sessions
  }

  get weight (): number {
    return this.#weight
  }

  set weight (weight: number) {
    this.#weight = this.effectiveWeight = weight
    this.warmUp()
  }

  /**
   * Sets its share as of now.
   *
   * @returns Whether that still grows.
   */
  warmUp (): boolean {
    const age = performance.now() - this.standing.backAt
    const isStarting = this.standing.backAt !== 0 && age < this.#slowStart
    this.effectiveWeight = isStarting ? this.#weight * Math.max(age / this.#slowStart, SLOWEST) : this.#weight
    return isStarting
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
