import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { AdminHost, ServingState } from '../admin/host.js'
import { ConfigInvalidError } from '../errors.js'
import { GatewayState } from '../gateway.js'
import { watchFiles } from '../net/watched-files.js'
import { withDefaults } from '../options/defaults.js'
import { GatewayConfig } from '../options/index.js'
import type { ReloadOutcome } from '../types.js'
import type { UpstreamControl } from '../upstreams/control.js'
import { adminOptions, ServiceAdmin } from './admin.js'
import type { AppParts } from './app.js'
import { differences, summaryOf, type Reloaded } from './changes.js'
import { Front, type PreparedChange } from './front/front.js'
import { Generation } from './generation.js'
import { certificateFiles, frontOptions } from './listeners.js'
import { ServiceLog } from './log/logger.js'

/** What a process that is one of several has of its own, and in common with the others. */
export interface OpenOptions {
  stickyKey?: Buffer
  worker?: number
}

/** Opens a gateway from a configuration that has been checked. */
export function openGateway (parts: AppParts, options?: OpenOptions): RunningGateway {
  return new RunningGateway(parts, options)
}

/** A gateway, whatever its configuration is at the moment. */
export class RunningGateway {
  readonly #state: GatewayState
  readonly #front = new Front()
  readonly #log: ServiceLog | undefined
  #current: Generation
  /** Generations with requests under way that began in them. */
  readonly #retiring = new Set<Promise<void>>()
  /** What is done one behind the other. */
  #work: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  #unwatch: (() => void) | undefined
  readonly #admin: ServiceAdmin
  readonly #reloadListeners = new Set<(ok: boolean, text: string) => void>()
  /** Whether it serves: not yet, now, or no more. */
  state: ServingState = 'starting'
  /** Puts the configuration in force again, where it can be read again. */
  readAgain: (() => Promise<ReloadOutcome>) | undefined

  readonly #worker: number | undefined
  /** What the admin listener needs of it. */
  readonly adminHost: AdminHost

  /** @param options.worker The number of this process, where it is one of several. */
  constructor (parts: AppParts, { stickyKey, worker }: OpenOptions = {}) {
    this.#worker = worker
    // Certificates that cannot be used are worth knowing at once, and so is an admin listener for everybody.
    frontOptions(parts)
    adminOptions(parts)
    this.#log = parts.logger === undefined ? new ServiceLog(parts.config, { isShared: worker !== undefined }) : undefined
    this.#state = new GatewayState({ accessLog: true }, stickyKey)
    this.#current = new Generation(parts, this.#front, this.#state, this.#log)
    this.#current.serve()
    this.#front.serve(this.#current.server)
    const running = this
    this.adminHost = {
      get gateway () { return running.app.gateway },
      get log () { return running.app.log },
      get state () { return running.state },
      get config () { return running.parts.config },
      get reload () { return running.readAgain },
      observe: observer => this.#state.observe(observer),
      onReload: listener => {
        this.#reloadListeners.add(listener)
        return () => { this.#reloadListeners.delete(listener) }
      }
    }
    this.#admin = new ServiceAdmin(async () => new (await import('../admin/local-source.js')).LocalSource(this.adminHost), () => this.app.log)
  }

  /** Where the admin listener listens; undefined if there is none. */
  get adminAddress (): string | undefined {
    return this.#admin.address
  }

  get app (): FastifyInstance {
    return this.#current.app
  }

  get parts (): AppParts {
    return this.#current.parts
  }

  /** Settles when all is loaded into the first generation. */
  get filled (): Promise<void> {
    return this.#current.filled
  }

  upstream (name: string): UpstreamControl | undefined {
    return this.app.gateway.upstreams.get(name)
  }

  /**
   * Makes all ready but the listener.
   *
   * @throws What is wrong.
   */
  check (): Promise<void> {
    return this.#current.ready()
  }

  listen (): Promise<string> {
    return this.#then(async () => {
      const generation = this.#current
      await generation.ready()
      const since = Date.now()
      const admin = await this.#prepareAdmin(generation.parts)
      admin?.commit()
      const change = await this.#front.prepare(frontOptions(generation.parts))
      change.commit()
      this.state = 'serving'
      this.#watchCertificates(since)
      const urls = this.#front.urls()
      await generation.start(this.#worker === undefined ? `Server listening at ${urls[0]}` : `worker ${this.#worker} listening at ${urls.join(', ')}`)
      for (const other of this.#worker === undefined ? urls.slice(1) : []) this.app.log.info(`Server listening at ${other}`)
      return urls[0]!
    })
  }

  /** @param make Gives the parts of the next generation, once it is its turn. */
  reload (make: () => AppParts | Promise<AppParts>): Promise<Reloaded> {
    return this.#then(async () => {
      try {
        const reloaded = await this.#replace(await make())
        this.#noteReload(true, summaryOf(reloaded))
        return reloaded
      } catch (error) {
        this.#noteReload(false, (error as Error).message)
        throw error
      }
    })
  }

  #noteReload (ok: boolean, text: string): void {
    this.#state.counters.countReload(ok)
    for (const listener of this.#reloadListeners) listener(ok, text)
  }

  close (): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /**
   * Ends it while others serve in its place: it accepts nothing more, and closes when nothing is under way. Requests that
   * come on connections that are open are served.
   *
   * @param options.keepSessions Whether sessions go on until they end by themselves, however long that takes. Otherwise
   *   they end as `drainCode` and `drainSpread` say, and what is left after `drainTimeout` is cut off.
   */
  async leave ({ keepSessions }: { keepSessions: boolean }): Promise<void> {
    this.state = 'stopping'
    // A session's connection is not one of the front any more, once the relay has taken it over.
    const left = this.#front.leave().then(() => this.#state.sessions.empty())
    if (!keepSessions) {
      const { drainTimeout, drainSpread, drainCode } = withDefaults(GatewayConfig, this.parts.config, ['drainTimeout', 'drainSpread', 'drainCode'])
      this.#state.sessions.leave({ code: drainCode === false ? undefined : drainCode, spread: drainSpread })
      const timer = setTimeout(() => {
        this.app.log.info('drainTimeout is over, destroying the connections that are left')
        this.#front.cut()
        this.#state.sessions.destroy()
      }, drainTimeout)
      await left
      clearTimeout(timer)
    } else {
      await left
    }
    await this.close()
  }

  async #close (): Promise<void> {
    // What listened may be asked for a while yet.
    const { drainDelay } = withDefaults(GatewayConfig, this.parts.config, ['drainDelay'])
    const delay = this.state === 'serving' ? drainDelay : 0
    this.state = 'stopping'
    if (delay > 0) {
      this.app.log.info(`stopping in ${delay} ms, so that balancers in front can notice`)
      await pause(delay)
    }
    this.#unwatch?.()
    await this.#current.stop()
    await this.#work
    await Promise.all(this.#retiring)
    this.#state.close()
    await this.#state.tracing.flush()
    await this.#admin.close()
    this.#log?.close()
  }

  /** Opens the file of the log anew, after it was renamed. */
  reopenLog (): void {
    try {
      this.#log?.reopen()
      this.app.log.info('the file of the log was opened anew')
    } catch (err) {
      this.app.log.error({ err }, 'the file of the log cannot be opened anew; lines go where they went before')
    }
  }

  async #replace (parts: AppParts): Promise<Reloaded> {
    const before = this.#current
    if (before.hasRoutesOfOthers) {
      throw new ConfigInvalidError("Routes were added to gateway.app, which the app of another configuration would not have. Add them in the option 'setup' of createGateway(), which is called for each.")
    }
    const since = Date.now()
    const options = frontOptions(parts)
    const next = new Generation(parts, this.#front, this.#state, this.#log)
    await next.ready()
    let change
    let admin
    try {
      admin = this.#front.listening ? await this.#prepareAdmin(parts) : undefined
      change = this.#front.listening ? await this.#front.prepare(options) : undefined
    } catch (error) {
      admin?.discard()
      await next.app.close()
      throw error
    }
    if (this.#closed !== undefined) {
      admin?.discard()
      change?.discard()
      await next.app.close()
      throw new ConfigInvalidError('The gateway is stopping, so its configuration is not reloaded.')
    }
    // From here on nothing waits and nothing fails.
    change?.commit()
    admin?.commit()
    this.#current = next
    next.serve()
    this.#front.serve(next.server)
    const reloaded = { ...differences(before.parts.config, parts.config), sessionsEnded: this.#state.reconcile() }
    this.#retire(before)
    if (change !== undefined) {
      this.#watchCertificates(since)
      await next.start(`Configuration reloaded, serving at ${this.#front.urls().join(', ')}`)
    }
    this.app.log.info({ reloaded }, `configuration reloaded: ${summaryOf(reloaded)}`)
    return reloaded
  }

  /** That of several workers is their primary's. */
  async #prepareAdmin (parts: AppParts): Promise<PreparedChange | undefined> {
    return this.#worker === undefined ? await this.#admin.prepare(parts) : undefined
  }

  #retire (generation: Generation): void {
    const retired = generation.retire().catch((err: unknown) => {
      this.app.log.error({ err }, 'the app of a former configuration failed to close')
    }).then(() => { this.#retiring.delete(retired) })
    this.#retiring.add(retired)
  }

  #then<T> (work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }

  /** Certificates are renewed while the gateway runs. */
  #watchCertificates (since: number): void {
    this.#unwatch?.()
    const files = certificateFiles(this.parts.config)
    this.#unwatch = files.length === 0 ? undefined : watchFiles(files, since, () => { this.#then(() => this.#readCertificates()).catch(() => {}) })
  }

  async #readCertificates (): Promise<void> {
    if (this.#closed !== undefined) return
    try {
      const change = await this.#front.prepare(frontOptions(this.parts))
      change.commit()
      this.app.log.info('the certificates of listen.tls have changed and are in use')
    } catch (err) {
      this.app.log.error({ err }, 'the certificates of listen.tls have changed and cannot be used; those before stay in use')
    }
  }
}
