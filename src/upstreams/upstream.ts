import type { Socket } from 'node:net'
import type { UpstreamOptions } from '../options/index.js'
import { parseTarget } from '../net/target-address.js'
import { Target, type TargetPolicy } from './target.js'
import { tlsClientOptions } from '../net/tls.js'

/** A named group of interchangeable targets, with one policy. */
export class Upstream {
  readonly name: string
  readonly targets: readonly Target[]
  /** How long a body may stand still, in milliseconds. */
  readonly bodyTimeout: number
  /** How often a request whose connection broke is sent again. */
  readonly retries: number
  readonly #turn: number[]
  readonly #totalWeight: number

  /** @throws {TargetMalformedError | OptionsInvalidError} naming the target, or the file that cannot be read. */
  constructor (name: string, options: UpstreamOptions) {
    const policy: TargetPolicy = {
      connectTimeout: options.connectTimeout ?? 5_000,
      headersTimeout: options.headersTimeout ?? 60_000,
      bodyTimeout: options.bodyTimeout ?? 60_000,
      maxHeaderSize: options.maxHeaderSize ?? 65_536,
      maxConnections: options.maxConnections ?? Infinity,
      maxQueue: options.maxQueue ?? 1_000,
      queueTimeout: options.queueTimeout ?? 10_000,
      tls: tlsClientOptions(options.tls, `Upstream '${name}'`)
    }
    this.name = name
    this.bodyTimeout = policy.bodyTimeout
    this.retries = options.retries ?? 1
    this.targets = options.targets.map(target => typeof target === 'string'
      ? new Target(parseTarget(target), 1, policy)
      : new Target(parseTarget(target.url), target.weight ?? 1, policy))
    this.#turn = this.targets.map(() => 0)
    this.#totalWeight = this.targets.reduce((sum, target) => sum + target.weight, 0)
  }

  /**
   * The next target, by smooth weighted round robin: heavy targets are met more often, but not in a row.
   *
   * @param excluded Targets that have been tried in vain; undefined is returned when no other is left.
   * @param client A connection that a target has authenticated for it is worth more than a fair share.
   */
  select (excluded?: ReadonlySet<Target>, client?: Socket): Target | undefined {
    if (this.targets.length === 1) return excluded?.has(this.targets[0]!) === true ? undefined : this.targets[0]
    if (client !== undefined) {
      for (const target of this.targets) if (target.isBoundTo(client) && excluded?.has(target) !== true) return target
    }
    let best = -1
    for (let index = 0; index < this.targets.length; index++) {
      const target = this.targets[index]!
      if (excluded?.has(target) === true) continue
      this.#turn[index]! += target.weight
      if (best === -1 || this.#turn[index]! > this.#turn[best]!) best = index
    }
    if (best === -1) return undefined
    this.#turn[best]! -= this.#totalWeight
    return this.targets[best]
  }

  /** Whether requests are under way. */
  get busy (): boolean {
    return this.targets.some(target => target.busy)
  }

  /** Destroys the connections of all targets. */
  close (): void {
    for (const target of this.targets) target.close()
  }
}
