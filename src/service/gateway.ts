import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { ConfigInvalidError, UpstreamUnknownError } from '../errors.js'
import type { GatewayConfig } from '../options/index.js'
import { createApp, fillApp, type AppParts } from './app.js'
import { checkedConfig, locateInObject } from './config.js'

/** Options of `createGateway()` beside the configuration. */
export interface CreateGatewayOptions {
  /** A pino logger, or false for none. Default: pino to the standard output, at the level `config.logLevel`. */
  logger?: FastifyBaseLogger | false
  /** Folder of Fastify plugins to load, with `app.upstream()` at hand. Default: none. */
  plugins?: string
  /** Folder of Fastify routes to load, with `app.proxy()` at hand. Default: none. */
  routes?: string
}

/** A gateway made by `createGateway()`. */
export interface GatewayServer {
  /** The Fastify app. Until `listen()`, upstreams and routes can be added: `app.upstream()`, `app.proxy()`. */
  readonly app: FastifyInstance
  /**
   * Listens where `config.listen` says, by default 127.0.0.1:8080.
   *
   * @returns The address, such as http://127.0.0.1:8080.
   * @throws {ConfigInvalidError} when a route of the configuration names an upstream that nobody declared.
   */
  listen (): Promise<string>
  /** Ends the open WebSocket sessions and stops listening. */
  close (): Promise<void>
}

/**
 * Creates a gateway from the same configuration that `sluice.yaml` holds, as an object.
 *
 * It can be used at once. To add upstreams and routes from code, await it first: then `app.upstream()` and
 * `app.proxy()` are there.
 *
 * @throws {ConfigInvalidError} with one line for every problem, which names its path. What shows only while
 *   plugins and routes are loaded rejects, when awaited and at `listen()`.
 */
export function createGateway (config: GatewayConfig, options: CreateGatewayOptions = {}): GatewayServer & Promise<GatewayServer> {
  // Routes may be checked only at listen(): until then the caller can declare upstreams.
  const { server, filled } = openGateway({ ...options, config: checkedConfig(config, locateInObject, true), locate: locateInObject, demo: false })
  const awaited = filled.then(() => server)
  // Whoever does not await it hears of it from listen().
  awaited.catch(() => {})
  return Object.assign(awaited, server)
}

/** Opens a gateway from a configuration that has been checked. `filled` settles when all is loaded into its app. */
export function openGateway (parts: AppParts): { server: GatewayServer, filled: Promise<void> } {
  const app = createApp(parts)
  const filled = fillApp(app, parts).catch(async error => {
    await app.close()
    throw error
  })
  // It is reported to whoever awaits it, or by listen().
  filled.catch(() => {})
  const { host = '127.0.0.1', port = 8080 } = parts.config.listen ?? {}
  const server: GatewayServer = {
    app,
    listen: async () => {
      await filled
      try {
        return await app.listen({ host, port })
      } catch (error) {
        throw placed(error, parts)
      }
    },
    close: async () => {
      await filled.catch(() => {})
      await app.close()
    }
  }
  return { server, filled }
}

/** An error about a route of the configuration, with its place there. Other errors pass as they are. */
function placed (error: unknown, { config, locate }: AppParts): unknown {
  if (!(error instanceof UpstreamUnknownError)) return error
  const routes = config.routes ?? []
  const index = routes.findIndex(({ url, upstream }) =>
    [url].flat().some(one => error.message === new UpstreamUnknownError(one, upstream, upstream).message))
  return index === -1 ? error : new ConfigInvalidError(`${locate(['routes', String(index), 'upstream'])}: ${error.message}`)
}
