import type { Socket } from 'node:net'
import { parseTarget } from '../net/target-address.js'
import { tlsClientOptions, type TlsClientOptions } from '../net/tls.js'
import { withDefaults } from '../options/defaults.js'
import { UpstreamOptions, type TargetOptions } from '../options/index.js'
import { Endpoints } from './endpoints.js'
import type { TargetLimits } from './http1/target-exchange.js'
import { Target } from './target.js'

/** A named group of interchangeable targets, with one policy. */
export class Upstream {
  readonly name: string
  /** How long a body may stand still, in milliseconds. */
  readonly bodyTimeout: number
  /** How often a request whose connection broke is sent again. */
  readonly retries: number
  readonly #limits: TargetLimits
  readonly #tls: TlsClientOptions
  readonly #endpoints: Endpoints
  #targets: readonly Target[] = []
  #turn: number[] = []

  /** @throws {TargetMalformedError | OptionsInvalidError} naming the target, or the file that cannot be read. */
  constructor (name: string, options: UpstreamOptions, endpoints = new Endpoints()) {
    this.name = name
    this.#endpoints = endpoints
    this.#tls = tlsClientOptions(options.tls, `Upstream '${name}'`)
    const { connectTimeout, headersTimeout, bodyTimeout, retries, maxHeaderSize, maxConnections = Infinity, maxQueue, queueTimeout } =
      withDefaults(UpstreamOptions, options, ['connectTimeout', 'headersTimeout', 'bodyTimeout', 'retries', 'maxHeaderSize', 'maxQueue', 'queueTimeout'])
    this.#limits = { connectTimeout, headersTimeout, bodyTimeout, maxHeaderSize, maxConnections, maxQueue, queueTimeout }
    this.bodyTimeout = this.#limits.bodyTimeout
    this.retries = retries
    this.setTargets(options.targets)
  }

  get targets (): readonly Target[] {
    return this.#targets
  }

  /**
   * Puts other targets in the place of those that it has. What is under way to one that is gone ends by itself.
   *
   * @throws {TargetMalformedError} naming the target; then nothing has changed.
   */
  setTargets (targets: readonly TargetOptions[]): void {
    const parsed = targets.map(target => typeof target === 'string'
      ? { address: parseTarget(target), weight: 1 }
      : { address: parseTarget(target.url), weight: target.weight ?? 1 })
    const before = this.#targets
    this.#targets = parsed.map(({ address, weight }) => new Target(this.name, this.#endpoints.acquire(address, this.#tls), weight, this.#limits))
    this.#turn = this.#targets.map(() => 0)
    for (const target of before) this.#endpoints.release(target.endpoint)
  }

  /**
   * The next target, by smooth weighted round robin: heavy targets are met more often, but not in a row.
   *
   * @param excluded Targets that have been tried in vain.
   * @param client A connection that a target has authenticated for it is worth more than a fair share.
   * @returns Undefined when no other target is left.
   */
  select (excluded?: ReadonlySet<Target>, client?: Socket): Target | undefined {
    const targets = this.#targets
    if (targets.length === 1) {
      const target = targets[0]!
      return target.state !== 'ready' || excluded?.has(target) === true ? undefined : target
    }
    if (client !== undefined) {
      for (const target of targets) if (target.isBoundTo(client) && excluded?.has(target) !== true) return target
    }
    let best = -1
    let total = 0
    for (let index = 0; index < targets.length; index++) {
      const target = targets[index]!
      total += target.weight
      if (target.state !== 'ready' || excluded?.has(target) === true) continue
      this.#turn[index]! += target.weight
      if (best === -1 || this.#turn[index]! > this.#turn[best]!) best = index
    }
    if (best === -1) return undefined
    this.#turn[best]! -= total
    return targets[best]
  }

  /** Gives its targets back: it is used no more, but for what is under way. */
  release (): void {
    for (const target of this.#targets) this.#endpoints.release(target.endpoint)
    this.#targets = []
  }
}
