import { UpstreamDuplicateError } from '../errors.js'
import { parseTarget } from '../net/target-address.js'
import { UpstreamOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import { controlOf, type UpstreamControl } from './control.js'
import type { Endpoints } from './endpoints.js'
import { Upstream } from './upstream.js'

/** How many upstreams named by a bare URL are kept. A function that makes up URLs must not fill the memory. */
const MAX_ANONYMOUS = 256

/** The upstreams of one generation: the declared ones by name, and those that routes name by their URL. */
export class UpstreamRegistry {
  readonly #endpoints: Endpoints
  readonly #declared = new Map<string, Upstream>()
  readonly #anonymous = new Map<string, Upstream>()

  constructor (endpoints: Endpoints) {
    this.#endpoints = endpoints
  }

  /**
   * @throws {OptionsInvalidError} when the options do not match their schema.
   * @throws {UpstreamDuplicateError} when the name is taken.
   * @throws {TargetMalformedError} naming the target.
   */
  declare (name: string, options: UpstreamOptions): void {
    const checked = validated(UpstreamOptions, options, `Upstream '${name}'`)
    if (this.#declared.has(name)) throw new UpstreamDuplicateError(name)
    this.#declared.set(name, new Upstream(name, checked, this.#endpoints))
  }

  /** Whether `upstream` is a URL, not a name. */
  static isUrl (upstream: string): boolean {
    return upstream.includes('://') || upstream.startsWith('unix:')
  }

  /**
   * The declared upstreams, for code of the app.
   *
   * @param onTargets Is called when one has other targets.
   */
  controls (onTargets: () => void): { get (name: string): UpstreamControl | undefined, list (): UpstreamControl[] } {
    return {
      get: name => {
        const upstream = this.#declared.get(name)
        return upstream === undefined ? undefined : controlOf(upstream, onTargets)
      },
      list: () => [...this.#declared.values()].map(upstream => controlOf(upstream, onTargets))
    }
  }

  /**
   * The upstream of that name, or at that URL; undefined for a name that nobody declared.
   *
   * @throws {TargetMalformedError} for a URL that is not an origin.
   */
  get (upstream: string): Upstream | undefined {
    const known = this.#declared.get(upstream) ?? this.#anonymous.get(upstream)
    if (known !== undefined || !UpstreamRegistry.isUrl(upstream)) return known
    const { origin } = parseTarget(upstream)
    const created = new Upstream(origin, { targets: [origin] }, this.#endpoints)
    if (this.#anonymous.size >= MAX_ANONYMOUS) this.#evictOldest()
    this.#anonymous.set(upstream, created)
    return created
  }

  /** Gives the targets of all upstreams back. */
  release (): void {
    for (const upstream of [...this.#declared.values(), ...this.#anonymous.values()]) upstream.release()
    this.#declared.clear()
    this.#anonymous.clear()
  }

  #evictOldest (): void {
    const [url, upstream] = this.#anonymous.entries().next().value!
    this.#anonymous.delete(url)
    upstream.release()
  }
}
