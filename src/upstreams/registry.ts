import { OptionsInvalidError, UpstreamDuplicateError } from '../errors.js'
import { parseTarget } from '../net/target-address.js'
import { type UpstreamAtUrl, UpstreamOptions, UpstreamTlsOptions } from '../options/index.js'
import { checkObject, show, validated } from '../options/validate.js'
import { controlOf, type ControlHost, type UpstreamControl } from './control.js'
import type { Endpoints } from './endpoints.js'
import { Upstream } from './upstream.js'

/** How many upstreams at URLs that functions name are kept. A function that makes up URLs must not fill the memory. */
const MAX_ANONYMOUS = 256

/** Milliseconds that an app waits for the targets of its upstreams before it is ready. */
const DISCOVERY_TIMEOUT = 5_000

/** The upstreams of one generation: the declared ones by name, and those that routes name by their URL. */
export class UpstreamRegistry {
  readonly #endpoints: Endpoints
  readonly #declared = new Map<string, Upstream>()
  /** Those at URLs that routes name, by each way to write them. */
  readonly #ofRoutes = new Map<string, Upstream>()
  /** Those at URLs that functions have named, by the URL, or by the URL and the TLS options. */
  readonly #anonymous = new Map<string, Upstream>()

  /** The names of upstreams whose sticky cookies are good until the gateway restarts. */
  readonly withoutSecret: string[] = []

  constructor (endpoints: Endpoints) {
    this.#endpoints = endpoints
  }

  /**
   * @throws {OptionsInvalidError} when the options do not match their schema.
   * @throws {UpstreamDuplicateError} when the name is taken.
   * @throws {TargetMalformedError} naming the target.
   */
  declare (name: string, options: UpstreamOptions): void {
    if (typeof name !== 'string') throw new OptionsInvalidError(`Upstream ${show(name)}`, "the first argument of app.upstream() must be its name, and the second its options: app.upstream('app', { targets: ['http://127.0.0.1:5173'] })")
    const where = `Upstream '${name}'`
    checkObject(options, where, "{ targets: ['http://127.0.0.1:5173'] }")
    const checked = validated(UpstreamOptions, options, where)
    if (this.#declared.has(name)) throw new UpstreamDuplicateError(name)
    this.#declared.set(name, new Upstream(name, checked, this.#endpoints))
    const { sticky = false } = checked
    if (sticky !== false && (sticky === true || sticky.secret === undefined)) this.withoutSecret.push(name)
  }

  /**
   * Keeps an upstream at a URL as long as the routes are there, one of which names it.
   *
   * @throws {TargetMalformedError} for a URL that is not an origin.
   */
  keep (url: string): void {
    if (this.#ofRoutes.has(url)) return
    // The same one may be written in several ways, and is found by each of them and by its name.
    const { url: name } = parseTarget(url)
    const upstream = this.#ofRoutes.get(name) ?? this.#at(url)
    this.#ofRoutes.set(name, upstream).set(url, upstream)
  }

  /** Whether `upstream` is a URL, not a name. */
  static isUrl (upstream: string): boolean {
    return upstream.includes('://') || upstream.startsWith('unix:')
  }

  /**
   * The declared upstreams, and those at URLs that routes name, for code of the app.
   *
   * @param host Does what concerns sessions.
   */
  controls (host: ControlHost): { get (name: string): UpstreamControl | undefined, list (): UpstreamControl[] } {
    return {
      get: name => {
        const upstream = this.#declared.get(name) ?? this.#ofRoutes.get(name)
        return upstream === undefined ? undefined : controlOf(upstream, host)
      },
      list: () => [...this.#declared.values(), ...new Set(this.#ofRoutes.values())].map(upstream => controlOf(upstream, host))
    }
  }

  /**
   * The upstream of that name, or at that URL; undefined for a name that nobody declared.
   *
   * @throws {TargetMalformedError} for a URL that is not an origin.
   */
  get (upstream: string): Upstream | undefined {
    const known = this.#declared.get(upstream) ?? this.#ofRoutes.get(upstream) ?? this.#anonymous.get(upstream)
    if (known !== undefined || !UpstreamRegistry.isUrl(upstream)) return known
    return this.#remember(upstream, this.#at(upstream))
  }

  /**
   * The upstream at a URL, met with TLS options of its own.
   *
   * @throws {TargetMalformedError} for a URL that is not an origin.
   * @throws {OptionsInvalidError} for TLS options that are not valid, or a file that cannot be read.
   */
  at ({ url, tls }: UpstreamAtUrl): Upstream {
    if (tls === undefined) return this.get(url)!
    const key = `${url} ${JSON.stringify(tls)}`
    return this.#anonymous.get(key) ?? this.#remember(key, this.#at(url, validated(UpstreamTlsOptions, tls, `The TLS options of '${url}'`)))
  }

  /** The app is served. */
  serve (): void {
    for (const upstream of this.#declared.values()) upstream.serve()
  }

  /** It is served no more. */
  retire (): void {
    for (const upstream of this.#declared.values()) upstream.retire()
  }

  /** Resolves when the targets of all upstreams are known, or cannot be determined, or after some time. */
  async discovered (): Promise<void> {
    const pending = [...this.#declared.values()].flatMap(({ discovered }) => discovered ?? [])
    if (pending.length === 0) return
    let timer: NodeJS.Timeout
    const timeout = new Promise<void>(resolve => { timer = setTimeout(resolve, DISCOVERY_TIMEOUT) })
    await Promise.race([Promise.all(pending), timeout]).finally(() => clearTimeout(timer))
  }

  /** Gives the targets of all upstreams back. */
  release (): void {
    for (const upstreams of [this.#declared, this.#ofRoutes, this.#anonymous]) {
      for (const upstream of new Set(upstreams.values())) upstream.release()
      upstreams.clear()
    }
  }

  #at (url: string, tls?: UpstreamTlsOptions): Upstream {
    const { url: target } = parseTarget(url)
    return new Upstream(target, { targets: [target], ...tls !== undefined && { tls } }, this.#endpoints)
  }

  #remember (key: string, upstream: Upstream): Upstream {
    if (this.#anonymous.size >= MAX_ANONYMOUS) this.#evictOldest()
    this.#anonymous.set(key, upstream)
    return upstream
  }

  #evictOldest (): void {
    const [url, upstream] = this.#anonymous.entries().next().value!
    this.#anonymous.delete(url)
    upstream.release()
  }
}
