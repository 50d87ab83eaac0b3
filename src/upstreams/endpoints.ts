import { randomBytes } from 'node:crypto'
import type { TargetAddress } from '../net/target-address.js'
import type { TlsClient } from '../net/tls.js'
import { Endpoint, endpointKey } from './endpoint.js'
import { Discoveries } from './discovery/discoveries.js'
import { Slots } from './health/slots.js'
import { noLoad, type UpstreamLoad } from './load.js'
import { Queues } from './queue.js'
import { Standing, type TargetChange } from './standing.js'

/** Health checks that are made at a time. */
const MAX_CHECKS = 32

/** As far as a logger is needed here. */
export interface UpstreamLog {
  info (fields: object, text: string): void
  warn (fields: object, text: string): void
}

/** The endpoints of a gateway, counted by who uses them, so that they outlive the configuration that named them first. */
export class Endpoints {
  readonly #inUse = new Map<string, { endpoint: Endpoint, users: number }>()
  /** Those that nobody names any more, with requests or sessions under way. Named again, they come back with these. */
  readonly #retired = new Map<string, Endpoint>()

  /** How many targets each upstream has, by its name. */
  readonly #members = new Map<string, number>()
  /** What sticky cookies are made with where an upstream has no secret. */
  readonly stickyKey: Buffer
  /** What waits for a place at a target. */
  readonly queues = new Queues()
  /** Where the targets of upstreams are found. */
  readonly discoveries = new Discoveries()
  readonly #loads = new Map<string, WeakRef<UpstreamLoad>>()
  /** Limits how many health checks are made at a time. */
  readonly checkSlots = new Slots(MAX_CHECKS)
  /** Changes with the state or the health of any target. */
  version = 0
  /** Is called for each of these changes. */
  onChange: ((change: TargetChange, endpoint: Endpoint) => void) | undefined
  /** Is called when the targets of an upstream have changed by themselves. */
  onTargets: (() => void) | undefined
  /** That of the app that is served. */
  log: UpstreamLog | undefined

  /** @param stickyKey That of several processes. Default: one of its own. */
  constructor (stickyKey: Buffer = randomBytes(32)) {
    this.stickyKey = stickyKey
  }

  /**
   * The endpoint at an address as a member of an upstream, to be given back by `release()`.
   *
   * @param isLate Whether the upstream had targets before: one that is new may start slowly.
   */
  acquire (address: TargetAddress, tls: TlsClient, upstream: string, isLate = false): { endpoint: Endpoint, standing: Standing } {
    const key = endpointKey(address, tls)
    let entry = this.#inUse.get(key)
    if (entry === undefined) this.#inUse.set(key, entry = { endpoint: this.#revived(key) ?? new Endpoint(key, address, tls.options, this.queues), users: 0 })
    entry.users++
    const { endpoint } = entry
    // The files of a later configuration may contain something else.
    endpoint.meetBy(tls.options)
    let member = endpoint.standings.get(upstream)
    if (member === undefined) {
      const standing = new Standing(upstream, address.url, (_standing, change) => {
        this.version++
        this.onChange?.(change, endpoint)
        this.queues.serve()
      })
      if (isLate) standing.backAt = performance.now()
      endpoint.standings.set(upstream, member = { standing, users: 0 })
    }
    member.users++
    this.#members.set(upstream, (this.#members.get(upstream) ?? 0) + 1)
    return { endpoint, standing: member.standing }
  }

  /** What an upstream has to do. Kept as long as one of this name, or something that is under way there, is there. */
  loadOf (upstream: string): UpstreamLoad {
    let load = this.#loads.get(upstream)?.deref()
    if (load === undefined) {
      for (const [name, known] of this.#loads) if (known.deref() === undefined) this.#loads.delete(name)
      this.#loads.set(upstream, new WeakRef(load = { ...noLoad(), retries: 0 }))
    }
    return load
  }

  /** Whether an upstream has targets. */
  knows (upstream: string): boolean {
    return this.#members.has(upstream)
  }

  /** One of its users is gone. After the last of them, its connections are closed once the requests on them are done. */
  release (endpoint: Endpoint, upstream: string): void {
    const left = (this.#members.get(upstream) ?? 1) - 1
    if (left === 0) this.#members.delete(upstream)
    else this.#members.set(upstream, left)
    const member = endpoint.standings.get(upstream)
    if (member !== undefined && --member.users === 0) {
      member.standing.close()
      endpoint.standings.delete(upstream)
    }
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
    this.discoveries.close()
    for (const { endpoint } of this.#inUse.values()) endpoint.close()
    for (const endpoint of this.#retired.values()) endpoint.close()
  }
}
