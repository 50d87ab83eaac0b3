import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import { parseTarget } from '../net/target-address.js'
import { tlsClientOptions, type TlsClientOptions } from '../net/tls.js'
import { withDefaults } from '../options/defaults.js'
import { PassiveHealthOptions, UpstreamOptions, type TargetOptions } from '../options/index.js'
import type { SessionRequest } from '../types.js'
import { balancersOf, type Balancers } from './balancing/index.js'
import { Endpoints } from './endpoints.js'
import { HealthChecker } from './health/checker.js'
import { healthPlan } from './health/options.js'
import type { TargetLimits } from './http1/target-exchange.js'
import { Sticky } from './sticky.js'
import { Target } from './target.js'

/** A request or a handshake that needs a target. */
export interface Asking {
  readonly kind: 'request' | 'handshake'
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
  readonly sticky: Sticky<Target> | undefined
  readonly #balancers: Balancers
  readonly #passive: ReturnType<typeof passiveRules>
  readonly #checker: HealthChecker | undefined
  readonly #refuses: boolean
  readonly #slowStart: number
  readonly #limits: TargetLimits
  readonly #tls: TlsClientOptions
  readonly #endpoints: Endpoints
  #targets: readonly Target[] = []
  /** Those that may be chosen, as of a version of what is known of all targets. */
  #usable: readonly Target[] = []
  #version = -1
  /** Those whose share still grows. */
  #starting: readonly Target[] = []

  /** @throws {TargetMalformedError | OptionsInvalidError} naming the target, or the file that cannot be read. */
  constructor (name: string, options: UpstreamOptions, endpoints = new Endpoints()) {
    this.name = name
    this.#endpoints = endpoints
    this.#tls = tlsClientOptions(options.tls, `Upstream '${name}'`)
    const { connectTimeout, headersTimeout, bodyTimeout, retries, maxHeaderSize, maxConnections = Infinity, maxQueue, queueTimeout, slowStart, whenNoneHealthy } =
      withDefaults(UpstreamOptions, options, ['connectTimeout', 'headersTimeout', 'bodyTimeout', 'retries', 'maxHeaderSize', 'maxQueue', 'queueTimeout', 'slowStart', 'whenNoneHealthy'])
    this.#limits = { connectTimeout, headersTimeout, bodyTimeout, maxHeaderSize, maxConnections, maxQueue, queueTimeout }
    this.bodyTimeout = this.#limits.bodyTimeout
    this.retries = retries
    this.#slowStart = slowStart
    this.#refuses = whenNoneHealthy === 'refuse'
    this.#balancers = balancersOf(options.balance)
    this.#passive = passiveRules(options.passiveHealth)
    if (options.health !== undefined) this.#checker = new HealthChecker(healthPlan(options.health, this.#tls, `Upstream '${name}'`), endpoints.checkSlots)
    const { sticky = false } = options
    if (sticky !== false) this.sticky = new Sticky(name, sticky === true ? {} : sticky, endpoints.stickyKey)
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
    const parsed = targets.map(target => {
      const { url, weight = 1, labels = {} } = typeof target === 'string' ? { url: target } : target
      return { address: parseTarget(url), weight, labels }
    })
    const before = this.#targets
    const isLate = this.#endpoints.knows(this.name)
    this.#targets = parsed.map(({ address, weight, labels }, index) => {
      const { endpoint, standing } = this.#endpoints.acquire(address, this.#tls, this.name, isLate)
      return new Target(index, endpoint, standing, { weight, labels, limits: this.#limits, slowStart: this.#slowStart })
    })
    this.#version = -1
    this.sticky?.setTargets(this.#targets)
    this.#checker?.watch(this.#targets)
    for (const target of before) this.#endpoints.release(target.endpoint, this.name)
  }

  /** It is served: begins with the health checks. Where there are none any more, what they have found is void. */
  startChecks (): void {
    if (this.#checker !== undefined) this.#checker.start(this.#targets)
    else for (const { standing } of this.#targets) if (standing.health === 'down') standing.setDown(false, 'it is not checked any more')
  }

  /** It is served no more: whatever still goes on in its generation, others check its targets. */
  stopChecks (): void {
    this.#checker?.stop()
  }

  /**
   * The target for a request or a handshake.
   *
   * @param excluded Targets that have been tried in vain.
   * @param client A connection that a target has authenticated for it is worth more than a fair share.
   * @returns Undefined when no other target is left.
   */
  select (asking: Asking, excluded?: ReadonlySet<Target>, client?: Socket): Target | undefined {
    const targets = this.#targets
    if (client !== undefined && targets.length > 1) {
      for (const target of targets) if (target.isBoundTo(client) && excluded?.has(target) !== true) return target
    }
    if (this.sticky !== undefined) {
      const known = asking.cookieTarget ??= this.sticky.targetOf(asking.request)
      // One that is being drained still serves its own clients.
      if (known !== undefined && known.state !== 'maintenance' && known.health === 'healthy' && excluded?.has(known) !== true) return known
    }
    const usable = this.#currentlyUsable()
    const left = excluded === undefined ? usable : this.#notTried(usable, excluded)
    // Before a session opens, it is Fastify's.
    return left.length < 2 ? left[0] : this.#balancers[asking.kind].pick(left, asking.request as FastifyRequest)
  }

  #currentlyUsable (): readonly Target[] {
    const { version } = this.#endpoints
    if (version !== this.#version) {
      this.#version = version
      this.#usable = this.#targets.filter(({ standing }) => standing.usable)
      if (this.#usable.length === 0 && !this.#refuses) this.#usable = this.#ready()
      this.#starting = this.#targets
    }
    if (this.#starting.length > 0) this.#starting = this.#starting.filter(target => target.warmUp())
    return this.#usable
  }

  /** Where all that are healthy have failed, the others cannot do worse. */
  #notTried (usable: readonly Target[], tried: ReadonlySet<Target>): readonly Target[] {
    const left = usable.filter(target => !tried.has(target))
    return left.length > 0 || this.#refuses ? left : this.#ready().filter(target => !tried.has(target))
  }

  #ready (): Target[] {
    return this.#targets.filter(({ state }) => state === 'ready')
  }

  /** A target has responded: with this status, or with a 101. */
  succeed ({ standing }: Target, status: number): void {
    if (this.#passive?.statuses.has(status) !== true) return standing.succeed()
    standing.failed++
    standing.fail(this.#passive, `it responded with ${status}`, () => this.#mayEject())
  }

  /**
   * An attempt at a target has failed.
   *
   * @param reused Whether its connection had carried a request before: that it was closed says nothing of the target.
   */
  fail ({ standing }: Target, error: Error, reused: boolean): void {
    const isFailure = (error instanceof TargetUnreachableError && !reused) || error instanceof TargetTimeoutError
    if (!isFailure) return
    standing.failed++
    if (this.#passive === undefined) return
    const cause = error.cause instanceof Error ? error.cause.message : error.message
    standing.fail(this.#passive, cause, () => this.#mayEject())
  }

  #mayEject (): boolean {
    const targets = this.#targets
    const healthy = targets.filter(({ standing }) => standing.usable).length
    const ejected = targets.filter(({ health }) => health === 'ejected').length
    const { maxEjected } = this.#passive!
    return healthy > 1 && maxEjected > 0 && ejected + 1 <= Math.max(Math.floor(targets.length * maxEjected), 1)
  }

  /** Gives its targets back: it is used no more, but for what is under way. */
  release (): void {
    this.stopChecks()
    for (const target of this.#targets) this.#endpoints.release(target.endpoint, this.name)
    this.#targets = []
    this.#version = -1
  }
}

/** Undefined for none. */
function passiveRules (given: UpstreamOptions['passiveHealth']) {
  if (given === false) return undefined
  const { statuses, ...rules } = withDefaults(PassiveHealthOptions, given === true || given === undefined ? {} : given, ['failures', 'ejectFor', 'maxEjectFor', 'maxEjected'])
  return { ...rules, statuses: new Set(statuses) }
}
