import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { NoTargetError } from '../errors.js'
import { parseTarget } from '../net/target-address.js'
import { TlsClient } from '../net/tls.js'
import { watchFiles } from '../net/watched-files.js'
import { withDefaults } from '../options/defaults.js'
import { UpstreamOptions, type TargetOptions } from '../options/index.js'
import type { SessionRequest } from '../types.js'
import { balancersOf, type Balancers } from './balancing/index.js'
import type { Following } from './discovery/discoveries.js'
import { Endpoints } from './endpoints.js'
import { HealthChecker } from './health/checker.js'
import { healthPlan } from './health/options.js'
import type { TargetLimits } from './http1/target-exchange.js'
import { LoadLimits } from './limits.js'
import type { UpstreamLoad } from './load.js'
import { PassiveHealth } from './passive-health.js'
import { Queue, type Waiter } from './queue.js'
import { RetryBudget } from './retry-budget.js'
import { Sticky } from './sticky.js'
import { Target } from './target.js'

/** A request or a handshake that needs a target. */
export interface Asking extends Waiter<Target> {
  readonly request: FastifyRequest | SessionRequest
  /** The target that its cookie stands for. */
  cookieTarget?: Target | undefined
}

/** A named group of interchangeable targets, with one policy. */
export class Upstream {
  readonly name: string
  /** How long a body may stand still, in milliseconds. */
  readonly bodyTimeout: number
  /** How often a request whose connection broke is sent again. */
  readonly retries: number
  /** How long an attempt may take where another can follow, in milliseconds; undefined for no such limit. */
  readonly attemptTimeout: number | undefined
  readonly retryBudget: RetryBudget
  readonly sticky: Sticky<Target> | undefined
  readonly load: UpstreamLoad
  /** Resolves when its targets are known, or cannot be determined. */
  readonly discovered: Promise<void> | undefined
  readonly #balancers: Balancers
  readonly #passive: PassiveHealth
  readonly #checker: HealthChecker | undefined
  readonly #refuses: boolean
  readonly #slowStart: number
  readonly #limits: TargetLimits
  readonly #loadLimits: LoadLimits | undefined
  readonly #queue: Queue<Target, Asking> | undefined
  readonly #tls: TlsClient
  readonly #endpoints: Endpoints
  readonly #following: Following | undefined
  #targets: readonly Target[] = []
  /** Those that may be chosen, as of a version of what is known of all targets. */
  #usable: readonly Target[] = []
  #version = -1
  /** Those whose share still grows. */
  #starting: readonly Target[] = []
  #isServed = false
  #stopWatching: (() => void) | undefined

  /** @throws {TargetMalformedError | OptionsInvalidError} naming the target, or the file that cannot be read. */
  constructor (name: string, options: UpstreamOptions, endpoints = new Endpoints()) {
    const where = `Upstream '${name}'`
    this.name = name
    this.#endpoints = endpoints
    this.load = endpoints.loadOf(name)
    this.#tls = new TlsClient(options.tls, where)
    const { connectTimeout, headersTimeout, bodyTimeout, retries, retryBudget, maxHeaderSize, maxConnections = Infinity, maxQueue, queueTimeout, slowStart, whenNoneHealthy } =
      withDefaults(UpstreamOptions, options, ['connectTimeout', 'headersTimeout', 'bodyTimeout', 'retries', 'retryBudget', 'maxHeaderSize', 'maxQueue', 'queueTimeout', 'slowStart', 'whenNoneHealthy'])
    this.#limits = { connectTimeout, headersTimeout, bodyTimeout, maxHeaderSize, maxConnections, maxQueue, queueTimeout }
    this.bodyTimeout = this.#limits.bodyTimeout
    this.retries = retries
    this.attemptTimeout = options.attemptTimeout
    this.retryBudget = new RetryBudget(retryBudget, this.load)
    this.#slowStart = slowStart
    this.#refuses = whenNoneHealthy === 'refuse'
    this.#balancers = balancersOf(options.balance)
    this.#passive = new PassiveHealth(options.passiveHealth, () => this.#targets)
    if (options.health !== undefined) this.#checker = new HealthChecker(healthPlan(options.health, this.#tls, where), endpoints.checkSlots)
    const { sticky = false } = options
    if (sticky !== false) this.sticky = new Sticky(name, sticky === true ? {} : sticky, endpoints.stickyKey)
    this.#loadLimits = LoadLimits.of(options, this.load)
    if (this.#loadLimits !== undefined) {
      this.#queue = new Queue(endpoints.queues, this.#limits, ({ waiter, excluded, client }) => {
        if (this.#candidates(excluded).length === 0) throw new NoTargetError()
        return this.#select(waiter, excluded, client)
      }, this.sticky === undefined)
    }
    const { targets } = options
    if (Array.isArray(targets)) {
      this.setTargets(targets)
    } else {
      this.#following = endpoints.discoveries.follow(targets, where, {
        onTargets: found => this.#onTargets(found),
        onFault: err => endpoints.log?.warn({ upstream: name, err }, 'the targets of an upstream could not be determined; those before stay')
      })
      this.discovered = this.#following.first
    }
  }

  get targets (): readonly Target[] {
    return this.#targets
  }

  /** Whether its targets are found by a discovery. */
  get isDiscovered (): boolean {
    return this.#following !== undefined
  }

  /** How many requests and handshakes wait for a place at a target. */
  get waiting (): number {
    return this.#queue?.size ?? 0
  }

  #onTargets (found: readonly TargetOptions[]): void {
    this.setTargets(found)
    if (!this.#isServed) return
    this.#endpoints.log?.info({ upstream: this.name, targets: this.#targets.map(({ address }) => address.url) }, 'the targets of an upstream have changed')
    this.#endpoints.onTargets?.()
  }

  /**
   * Puts other targets in the place of those that it has. What is under way to one that is gone ends by itself.
   *
   * @throws {TargetMalformedError} naming the target; then nothing has changed.
   */
  setTargets (targets: readonly TargetOptions[]): void {
    const parsed = targets.map(target => {
      const { url, host, weight = 1, priority = 0, labels = {} } = typeof target === 'string' ? { url: target } : target
      return { address: parseTarget(url, host), weight, priority, labels }
    })
    const before = this.#targets
    const isLate = this.#endpoints.knows(this.name)
    this.#targets = parsed.map(({ address, ...properties }, index) => {
      const { endpoint, standing } = this.#endpoints.acquire(address, this.#tls, this.name, isLate)
      return new Target(index, endpoint, standing, { ...properties, total: this.load, limits: this.#limits, slowStart: this.#slowStart })
    })
    this.#version = -1
    this.sticky?.setTargets(this.#targets)
    this.#checker?.watch(this.#targets)
    for (const target of before) this.#endpoints.release(target.endpoint, this.name)
    this.#queue?.serve()
  }

  /** It is served: begins with the health checks. Where there are none any more, what they have found is void. */
  serve (): void {
    this.#isServed = true
    if (this.#checker !== undefined) this.#checker.start(this.#targets)
    else for (const { standing } of this.#targets) if (standing.health === 'down') standing.setDown(false, 'it is not checked any more')
    const { files } = this.#tls
    if (files.length > 0) this.#stopWatching ??= watchFiles(files, this.#tls.readAt, () => this.#readCertificates())
  }

  /** It is served no more: whatever still goes on in its generation, others check its targets. */
  retire (): void {
    this.#isServed = false
    this.#checker?.stop()
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  #readCertificates (): void {
    const { log } = this.#endpoints
    try {
      this.#tls.readAgain()
    } catch (err) {
      log?.warn({ upstream: this.name, err }, 'the certificates of an upstream have changed and cannot be used; those before stay in use')
      return
    }
    for (const { endpoint } of this.#targets) endpoint.meetBy(this.#tls.options)
    log?.info({ upstream: this.name }, 'the certificates of an upstream have changed and are in use')
  }

  /**
   * Finds the target for a request or a handshake, which then goes there.
   *
   * @param excluded Targets that have been tried in vain.
   * @param client A connection that a target has authenticated for it is worth more than a fair share.
   * @returns Undefined when no other target is left, and a promise where a place must become free first: it rejects with
   *   {TargetBusyError} when too many wait, or for too long.
   */
  find (asking: Asking, excluded?: ReadonlySet<Target>, client?: Socket): Target | undefined | Promise<Target> {
    // Nobody is overtaken: a place that becomes free goes at once to the first that waits and may have it.
    const target = this.#select(asking, excluded, client)
    if (target !== undefined) asking.choose(target)
    const queue = this.#queue
    if (target !== undefined || queue === undefined) return target
    return this.#candidates(excluded).length === 0 ? undefined : queue.wait({ waiter: asking, excluded, client })
  }

  /** Whether another target is left. */
  hasOther (excluded: ReadonlySet<Target>): boolean {
    return this.#candidates(excluded).length > 0
  }

  #select (asking: Asking, excluded: ReadonlySet<Target> | undefined, client: Socket | undefined): Target | undefined {
    const targets = this.#targets
    if (client !== undefined && targets.length > 1) {
      for (const target of targets) if (target.isBoundTo(client) && excluded?.has(target) !== true) return target
    }
    const { kind } = asking
    const limits = this.#loadLimits
    if (limits?.hasRoom(kind) === false) return undefined
    if (this.sticky !== undefined) {
      // Other targets may have come while it waited.
      if (asking.cookieTarget === undefined || !targets.includes(asking.cookieTarget)) asking.cookieTarget = this.sticky.targetOf(asking.request)
      const known = asking.cookieTarget
      // One that is being drained still serves its own clients.
      if (known !== undefined && known.state !== 'maintenance' && known.health === 'healthy' && excluded?.has(known) !== true) {
        return limits?.hasRoomAt(known, kind) === false ? undefined : known
      }
    }
    const candidates = this.#candidates(excluded)
    const left = limits === undefined ? candidates : candidates.filter(target => limits.hasRoomAt(target, kind))
    // Before a session opens, it is Fastify's.
    return left.length < 2 ? left[0] : this.#balancers[kind].pick(left, asking.request as FastifyRequest)
  }

  #candidates (excluded: ReadonlySet<Target> | undefined): readonly Target[] {
    const usable = this.#currentlyUsable()
    return excluded === undefined ? usable : this.#notTried(excluded)
  }

  #currentlyUsable (): readonly Target[] {
    const { version } = this.#endpoints
    if (version !== this.#version) {
      this.#version = version
      this.#usable = foremost(this.#healthy())
      if (this.#usable.length === 0 && !this.#refuses) this.#usable = foremost(this.#ready())
      this.#starting = this.#targets
    }
    if (this.#starting.length > 0) this.#starting = this.#starting.filter(target => target.warmUp())
    return this.#usable
  }

  /** Where all that are healthy have failed, the others cannot do worse. */
  #notTried (tried: ReadonlySet<Target>): readonly Target[] {
    const left = foremost(this.#healthy().filter(target => !tried.has(target)))
    return left.length > 0 || this.#refuses ? left : foremost(this.#ready().filter(target => !tried.has(target)))
  }

  #healthy (): Target[] {
    return this.#targets.filter(({ standing }) => standing.usable)
  }

  #ready (): Target[] {
    return this.#targets.filter(({ state }) => state === 'ready')
  }

  /** A target has responded: with this status, or with a 101. */
  succeed ({ standing }: Target, status: number): void {
    this.#passive.succeed(standing, status)
  }

  /** An attempt at a target has failed: see PassiveHealth. */
  fail ({ standing }: Target, error: Error, reused: boolean): void {
    this.#passive.fail(standing, error, reused)
  }

  /** Gives its targets back: it is used no more, but for what is under way. */
  release (): void {
    this.retire()
    this.#following?.stop()
    for (const target of this.#targets) this.#endpoints.release(target.endpoint, this.name)
    this.#targets = []
    this.#version = -1
  }
}

/** Those with the lowest number: others are for when these are gone. */
export function foremost (targets: readonly Target[]): readonly Target[] {
  if (targets.length < 2) return targets
  const least = Math.min(...targets.map(({ priority }) => priority))
  return targets.every(({ priority }) => priority === least) ? targets : targets.filter(({ priority }) => priority === least)
}
