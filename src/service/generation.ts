import type { FastifyInstance } from 'fastify'
import { ConfigInvalidError, UpstreamUnknownError } from '../errors.js'
import { Membership, type GatewayState } from '../gateway.js'
import { createApp, fillApp, type AppParts } from './app.js'
import type { Front } from './front/front.js'
import type { ServiceLog } from './log/logger.js'
import type { GenerationServer } from './front/generation-server.js'

/** Everything that is made from one configuration: a Fastify app that never listens. */
export class Generation {
  readonly parts: AppParts
  readonly app: FastifyInstance
  /** Settles when all is loaded into its app. */
  readonly filled: Promise<void>
  readonly #membership: Membership
  readonly #log: ServiceLog | undefined
  #routesOfOthers = 0
  #filling = true

  /**
   * @param log That of the service, where no other logger is given.
   * @throws {ConfigInvalidError} for addresses in `trustProxy` that are not valid.
   */
  constructor (parts: AppParts, front: Front, state: GatewayState, log: ServiceLog | undefined) {
    this.parts = parts
    this.#log = log
    this.#membership = new Membership(state)
    this.app = createApp(parts, front, this.#membership, log)
    this.app.addHook('onClose', async () => { if (this.#membership.serving) state.close() })
    this.app.addHook('onRoute', () => { if (!this.#filling) this.#routesOfOthers++ })
    this.filled = fillApp(this.app, parts).then(() => { this.#filling = false }, async error => {
      await this.app.close()
      throw error
    })
    // It is reported to the caller that awaits it, or by ready().
    this.filled.catch(() => {})
  }

  /** It is the one that is served from now on. */
  serve (): void {
    this.#membership.serving = true
    const { scopes, state } = this.#membership
    const { config } = this.parts
    state.adopt(scopes, config, this.app.log)
    state.accessLog.configure({ accessLog: config.accessLog ?? true, redactHeaders: config.redactHeaders })
    state.tracing.configure(config)
    const writer = this.#log?.accessLines(this.app.log, config)
    if (writer !== undefined) state.accessLog.writer = writer
    for (const scope of scopes) scope.begin()
  }

  get server (): GenerationServer {
    return this.app.server as unknown as GenerationServer
  }

  /** Whether routes have been added to its app that the next generation would not have. */
  get hasRoutesOfOthers (): boolean {
    return this.#routesOfOthers > 0
  }

  /**
   * Makes it ready to serve.
   *
   * @throws What a plugin or a hook throws.
   * @throws {ConfigInvalidError} when a route of the configuration names an upstream that nobody declared.
   */
  async ready (): Promise<void> {
    await this.filled
    try {
      await this.app.ready()
    } catch (error) {
      await this.app.close().catch(() => {})
      throw placed(error, this.parts)
    }
  }

  /**
   * Says to its app that it listens, so that its hooks run. Nothing that an app does then can fail the change.
   *
   * @param text What is logged of it.
   */
  async start (text: string): Promise<void> {
    // Any host but localhost, for which Fastify would look for further addresses.
    await this.app.listen({ host: '127.0.0.1', port: 0, listenTextResolver: () => text })
  }

  /** Ends it behind its last exchange. */
  async retire (): Promise<void> {
    this.#membership.serving = false
    for (const scope of this.#membership.scopes) scope.retire()
    await this.server.retire()
    await this.app.close()
  }

  /** Ends it, and with it the gateway. */
  async stop (): Promise<void> {
    await this.filled.catch(() => {})
    await this.app.close()
  }
}

/** An error about a route of the configuration, with its place there. Other errors pass as they are. */
function placed (error: unknown, { config, locate }: AppParts): unknown {
  if (!(error instanceof UpstreamUnknownError)) return error
  const routes = config.routes ?? []
  const isAbout = (url: string | string[], upstream: string): boolean =>
    [url].flat().some(one => error.message === new UpstreamUnknownError(one, upstream, upstream).message)
  for (const [index, { url, upstream, websocket }] of routes.entries()) {
    const path = ['routes', String(index)]
    if (isAbout(url, upstream)) return new ConfigInvalidError(`${locate([...path, 'upstream'])}: ${error.message}`)
    if (typeof websocket === 'object' && websocket.upstream !== undefined && isAbout(url, websocket.upstream)) {
      return new ConfigInvalidError(`${locate([...path, 'websocket', 'upstream'])}: ${error.message}`)
    }
  }
  return error
}
