import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { ConfigInvalidError } from '../errors.js'
import type { GatewayConfig } from '../options/index.js'
import type { AppParts } from './app.js'
import type { Reloaded } from './changes.js'
import { checkedConfig } from './config.js'
import { routesOf, upstreamsOf, type GatewayRoutes, type GatewayUpstreams } from './edits.js'
import { locateInObject } from './places.js'
import { openGateway } from './running-gateway.js'

/** Options of `createGateway()` beside the configuration. */
export interface CreateGatewayOptions {
  /** A pino logger, or false for none. Default: pino to the standard output, at the level `config.logLevel`. */
  logger?: FastifyBaseLogger | false
  /** Folder of Fastify plugins to load, with `app.upstream()` at hand. Default: none. */
  plugins?: string
  /** Folder of Fastify routes to load, with `app.proxy()` at hand. Default: none. */
  routes?: string
  /**
   * Adds upstreams, routes, hooks and plugins from code. It is called anew for each configuration: a reload makes a new
   * app. Default: nothing.
   */
  setup?: (app: FastifyInstance) => unknown
}

/** A gateway made by `createGateway()`. */
export interface GatewayServer {
  /**
   * The Fastify app that is served now; after a reload it is another one. Until `listen()`, upstreams and routes can be
   * added: `app.upstream()`, `app.proxy()`. A gateway that is reloaded adds them in `setup`.
   */
  readonly app: FastifyInstance
  /** The configuration that is in force. */
  readonly config: GatewayConfig
  /** The address of the admin listener, such as http://127.0.0.1:9901; undefined if `config.admin` asks for none, or before `listen()`. */
  readonly adminAddress: string | undefined
  /** Adds, replaces and removes routes of the configuration while it runs. */
  readonly routes: GatewayRoutes
  /** Adds, changes and removes upstreams of the configuration while it runs. */
  readonly upstreams: GatewayUpstreams
  /**
   * Listens where `config.listen` says, by default 127.0.0.1:8080.
   *
   * @returns The address, such as http://127.0.0.1:8080.
   * @throws {ConfigInvalidError} when a route of the configuration names an upstream that nobody declared.
   */
  listen (): Promise<string>
  /**
   * Puts another configuration in force: it is checked and built aside, and then takes the place of the one before. No
   * request is refused, and requests under way end as they began. Sessions go on, but for those whose route or target
   * is gone, which end as `onRemoved` of their route says.
   *
   * @throws {ConfigInvalidError} with one line for every problem, what a plugin throws, or Node's error for an address
   *   that cannot be had; then nothing has changed.
   */
  reload (config: GatewayConfig): Promise<Reloaded>
  /** Ends the open WebSocket sessions and stops listening, `config.drainDelay` later. */
  close (): Promise<void>
}

/**
 * Creates a gateway from the same configuration that `sluice.yaml` holds, as an object.
 *
 * It can be used at once. To add upstreams and routes from code, await it first: then `app.upstream()` and
 * `app.proxy()` are there; or do so in `setup`.
 *
 * @throws {ConfigInvalidError} with one line for every problem, which names its path. What shows only while
 *   plugins and routes are loaded rejects, when awaited and at `listen()`.
 */
export function createGateway (config: GatewayConfig, options: CreateGatewayOptions = {}): GatewayServer & Promise<GatewayServer> {
  const gateway = openGateway(partsOf(config, options))
  const reload = (next: (config: GatewayConfig) => GatewayConfig): Promise<Reloaded> =>
    gateway.reload(() => partsOf(next(gateway.parts.config), options))
  const server: GatewayServer = {
    get app () { return gateway.app },
    get config () { return gateway.parts.config },
    get adminAddress () { return gateway.adminAddress },
    routes: routesOf(reload),
    upstreams: upstreamsOf(gateway, reload),
    listen: () => gateway.listen(),
    reload: config => reload(() => config),
    close: () => gateway.close()
  }
  const awaited = gateway.filled.then(() => server)
  // Whoever does not await it hears of it from listen().
  awaited.catch(() => {})
  return Object.defineProperties(awaited, Object.getOwnPropertyDescriptors(server)) as typeof server & typeof awaited
}

/** Routes may be checked only when all is loaded: until then code can declare upstreams. */
function partsOf (config: GatewayConfig, options: CreateGatewayOptions): AppParts {
  if (config?.workers !== undefined) throw new ConfigInvalidError("workers: the command 'sluice' starts workers; createGateway() serves in the process that calls it. Leave it out, or start processes with node:cluster.")
  return { ...options, config: checkedConfig(config, locateInObject, true), locate: locateInObject, demo: false }
}
