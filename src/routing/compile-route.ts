import type { FastifyInstance, FastifyRequest } from 'fastify'
import { UpstreamUnknownError } from '../errors.js'
import { forwardingPolicy } from '../message/forwarding.js'
import { rewritingOf } from '../message/rewriting.js'
import type { GatewayOptions, MessageRate, PassthroughOptions } from '../options/index.js'
import { policiesOf } from '../policies/index.js'
import type { SharedRates } from '../policies/message-rate/shared-rates.js'
import type { SessionCounts } from '../policies/session-limits.js'
import type { Observers } from '../proxy/observer.js'
import type { Policy } from '../proxy/policy.js'
import type { Endpoint } from '../upstreams/endpoint.js'
import { UpstreamRegistry } from '../upstreams/registry.js'
import type { Upstream } from '../upstreams/upstream.js'
import { sessionOptions, type PassthroughRoute, type SessionOptions } from '../websocket/route.js'
import { chooseUpstream } from './choose-upstream.js'
import { joinMessageHooks, rulesCompiler } from './message-hooks.js'

/** What routes share with those of other configurations. */
export interface SharedState {
  readonly observers: Observers
  /** How many sessions a route has. */
  sessionCounts (route: string): SessionCounts
  /**
   * What sessions of a route may send together, by key.
   *
   * @param kind Tells those of one route apart.
   * @param rate That of a new one; one that is there has its own.
   */
  sharedRates (route: string, kind: string, rate: MessageRate): SharedRates
}

type Check = (request: FastifyRequest) => void

/** A session, as far as it says where it belongs. */
export interface Placed {
  readonly route: string
  readonly upstream: string
  readonly endpoint: Endpoint
}

/** The routes of one gateway, made from their options once. */
export class CompiledRoutes {
  readonly #registry: UpstreamRegistry
  readonly #options: Pick<GatewayOptions, 'requestId' | 'forwarded' | 'via'>
  readonly #shared: SharedState
  readonly #check: Check
  /** The routes that name their upstream, until all upstreams are declared. */
  readonly #named: Array<{ url: string, upstream: string }> = []
  /** Those that want to know when they are in force. */
  readonly #policies: Policy[] = []
  /** By URL, what each route that lets WebSockets through says of its upstream. */
  readonly #passing = new Map<string, Array<PassthroughOptions['upstream']>>()

  /** The routes whose scopes may be given hooks for messages, until the app is ready. */
  readonly #scoped: Array<{ scope: FastifyInstance, options: SessionOptions }> = []

  /** @param check Refuses requests of its routes that may belong to others. */
  constructor (registry: UpstreamRegistry, options: Pick<GatewayOptions, 'requestId' | 'forwarded' | 'via'>, shared: SharedState, check: Check) {
    this.#registry = registry
    this.#options = options
    this.#shared = shared
    this.#check = check
  }

  /**
   * @param passes Whether it lets WebSockets through.
   * @param scope Where it is registered.
   * @param key What tells it from other routes of its URL. Default: the URL.
   * @throws {TargetMalformedError | OptionsInvalidError} for a URL, a pattern or a header that is not valid.
   */
  compile (url: string, { upstream, websocket, ...rewriting }: PassthroughOptions, passes: boolean, scope: FastifyInstance, key = url): PassthroughRoute {
    const options = typeof websocket === 'object' ? websocket : {}
    const ofHandshakes = options.upstream ?? upstream
    const chooserOf = (option: PassthroughOptions['upstream']) => (request: FastifyRequest): Upstream | Promise<Upstream> => chooseUpstream(this.#registry, option, request)
    this.#note(url, upstream)
    if (ofHandshakes !== upstream) this.#note(url, ofHandshakes)
    if (passes) {
      const known = this.#passing.get(url)
      if (known === undefined) this.#passing.set(url, [ofHandshakes])
      else known.push(ofHandshakes)
    }
    const ofSessions = sessionOptions(options, rulesCompiler(`Route '${url}'`))
    if (passes) this.#scoped.push({ scope, options: ofSessions })
    const policies = policiesOf(options, this.#shared.sessionCounts(key), (kind, rate) => this.#shared.sharedRates(key, kind, rate),
      () => ofSessions.messages !== undefined || ofSessions.reconnect !== undefined)
    this.#policies.push(...policies.filter(({ begin }) => begin !== undefined))
    return {
      url,
      check: this.#check,
      chooseUpstream: chooserOf(upstream),
      chooseHandshakeUpstream: chooserOf(ofHandshakes),
      rewriting: rewritingOf(rewriting, `Route '${url}'`),
      forwarding: forwardingPolicy(this.#options, rewriting),
      observers: this.#shared.observers,
      websocket: ofSessions,
      policies
    }
  }

  /** They are served from now on. */
  begin (): void {
    for (const policy of this.#policies) policy.begin!()
  }

  /** An upstream at a URL is kept, and one that is named must be declared. */
  #note (url: string, upstream: PassthroughOptions['upstream']): void {
    if (typeof upstream !== 'string') return
    if (UpstreamRegistry.isUrl(upstream)) this.#registry.keep(upstream)
    this.#named.push({ url, upstream })
  }

  /**
   * All is registered.
   *
   * @throws {UpstreamUnknownError} for a route that names an upstream which is not declared.
   */
  complete (): void {
    for (const { scope, options } of this.#scoped.splice(0)) joinMessageHooks(scope, options)
    for (const { url, upstream } of this.#named) {
      if (this.#registry.get(upstream) === undefined) throw new UpstreamUnknownError(url, upstream, upstream)
    }
  }

  /** The upstream for a session that needs another target; undefined where its route is gone. */
  upstreamOf ({ route, upstream: name }: Pick<Placed, 'route' | 'upstream'>): Upstream | undefined {
    const options = this.#passing.get(route)
    if (options === undefined) return undefined
    const named = options.find(option => typeof option === 'string')
    return this.#registry.get(options.includes(name) || typeof named !== 'string' ? name : named)
  }

  /** Whether the route of a session is still there, and its target among those to which the route sends. */
  serves ({ route, upstream: name, endpoint }: Placed): boolean {
    return this.#passing.get(route)?.some(option => {
      const upstream = this.#registry.get(typeof option === 'string' ? option : name)
      // What a function has named by its URL is not declared, and so not removed.
      if (upstream === undefined) return UpstreamRegistry.isUrl(name)
      return upstream.targets.some(target => target.endpoint === endpoint && target.state !== 'maintenance')
    }) ?? false
  }
}
