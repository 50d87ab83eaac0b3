import { createSecureContext } from 'node:tls'
import { fastify, type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { ConfigInvalidError } from '../errors.js'
import { GatewayOptions, type ListenTlsOptions } from '../options/index.js'
import sluice from '../plugin.js'
import { requestId } from '../routing/request-id.js'
import { readPems } from '../net/tls.js'
import type { Locate } from './config.js'
import { loadBuiltIn, loadFolder, type BuiltInOptions } from './folders.js'
import { listenerOf } from '../listener/limits.js'
import { loggerOptions } from './logger.js'
import { addAllMethods } from './methods.js'

/** What the gateway's app is made from. */
export interface AppParts extends BuiltInOptions {
  /** False for none. Default: the service's own, at the level `config.logLevel`. */
  logger?: FastifyBaseLogger | false
  /** The user's folder of plugins. */
  plugins?: string
  /** The user's folder of routes. */
  routes?: string
}

/**
 * The Fastify app of the gateway, with nothing in it yet.
 *
 * @throws {ConfigInvalidError} for addresses in `trustProxy` that are none.
 */
export function createApp ({ config, locate, logger }: AppParts): FastifyInstance {
  const listener = listenerOf(config.listen ?? {})
  const options: FastifyServerOptions = {
    ...typeof logger === 'object' ? { loggerInstance: logger } : { logger: logger ?? loggerOptions(config.logLevel, config.redactQuery) },
    trustProxy: config.trustProxy ?? false,
    ...listener.app
  }
  const tls = tlsServerOptions(config.listen?.tls, locate)
  const server = tls === undefined ? { http: listener.server } : { https: { ...listener.server, ...tls } }
  try {
    // Which kind of server it listens on makes no difference to anybody, but it does to Fastify's types.
    const app = fastify({ ...options, ...server, ...(config.requestId !== false && { genReqId: requestId(config.trustProxy) }) } as FastifyServerOptions)
    listener.install(app)
    addAllMethods(app)
    return app
  } catch (error) {
    // What Fastify refuses here can only be an address of a proxy; it does not check them before it uses them.
    if (config.trustProxy === undefined) throw error
    throw new ConfigInvalidError(`${locate(['trustProxy'])}: ${(error as Error).message}`)
  }
}

/**
 * Fills the app: with the gateway, then the plugins that declare upstreams, then the routes. The app is not
 * made ready, so more can be added.
 *
 * @throws What a plugin or a route throws.
 */
export async function fillApp (app: FastifyInstance, { config, locate, demo, plugins, routes }: AppParts): Promise<void> {
  const builtIn = { config, locate, demo }
  await app.register(sluice, Object.fromEntries(Object.entries(config).filter(([name]) => name in GatewayOptions.properties)))
  await loadBuiltIn(app, 'plugins', builtIn)
  if (plugins !== undefined) await loadFolder(app, 'plugins', plugins)
  await loadBuiltIn(app, 'routes', builtIn)
  if (routes !== undefined) await loadFolder(app, 'routes', routes)
}

/** @throws {ConfigInvalidError} naming a file that cannot be read, or holds no certificate. */
function tlsServerOptions (tls: ListenTlsOptions | undefined, locate: Locate): { cert: string[], key: string[], handshakeTimeout: number } | undefined {
  if (tls === undefined) return undefined
  try {
    const options = { cert: readPems(tls.cert, 'listen', 'tls.cert'), key: readPems(tls.key, 'listen', 'tls.key') }
    // Says so when they do not belong together.
    createSecureContext(options)
    return { ...options, handshakeTimeout: tls.handshakeTimeout ?? 10_000 }
  } catch (error) {
    throw new ConfigInvalidError(`${locate(['listen', 'tls'])}: ${(error as Error).message}`)
  }
}
