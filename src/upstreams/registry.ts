import { UpstreamDuplicateError } from '../errors.js'
import { UpstreamOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import { parseTarget } from '../net/target-address.js'
import { Upstream } from './upstream.js'

/** How many upstreams named by a bare URL are kept. A function that makes up URLs must not fill the memory. */
const MAX_ANONYMOUS = 256

/** The upstreams of an app: the declared ones by name, and those that routes name by their URL. */
export class UpstreamRegistry {
  readonly #declared = new Map<string, Upstream>()
  readonly #anonymous = new Map<string, Upstream>()
  /** Those that are kept no longer, and have requests under way. */
  readonly #evicted = new Set<Upstream>()

  /**
   * @throws {OptionsInvalidError} when the options do not match their schema.
   * @throws {UpstreamDuplicateError} when the name is taken.
   * @throws {TargetMalformedError} naming the target.
   */
  declare (name: string, options: UpstreamOptions): void {
    const checked = validated(UpstreamOptions, options, `Upstream '${name}'`)
    if (this.#declared.has(name)) throw new UpstreamDuplicateError(name)
    this.#declared.set(name, new Upstream(name, checked))
  }

  /** Whether `upstream` is a URL, not a name. */
  static isUrl (upstream: string): boolean {
    return upstream.includes('://') || upstream.startsWith('unix:')
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
    const created = new Upstream(origin, { targets: [origin] })
    if (this.#anonymous.size >= MAX_ANONYMOUS) this.#evictOldest()
    this.#anonymous.set(upstream, created)
    return created
  }

  /** Destroys the connections of all upstreams. */
  close (): void {
    for (const upstream of [...this.#declared.values(), ...this.#anonymous.values(), ...this.#evicted]) upstream.close()
  }

  #evictOldest (): void {
    const [url, upstream] = this.#anonymous.entries().next().value!
    this.#anonymous.delete(url)
    // Requests under way end by themselves; only then do the connections go.
    for (const target of upstream.targets) target.retire()
    for (const evicted of this.#evicted) if (!evicted.busy) this.#evicted.delete(evicted)
    if (upstream.busy) this.#evicted.add(upstream)
  }
}
