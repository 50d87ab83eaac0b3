import { fastify, type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { ConfigInvalidError } from '../errors.js'
import { MEMBERSHIP, type Membership } from '../gateway.js'
import { listenLimits } from '../listener/limits.js'
import { readPair } from '../net/tls.js'
import { withDefaults } from '../options/defaults.js'
import { GatewayOptions, ListenOptions, ListenTlsOptions } from '../options/index.js'
import sluice from '../plugin.js'
import { requestId } from '../routing/request-id.js'
import type { Locate } from './config.js'
import { loadBuiltIn, loadFolder, type BuiltInOptions } from './folders.js'
import type { FrontOptions } from './front/front.js'
import { GenerationServer, type Connections } from './front/generation-server.js'
import { silence, type ServiceLog } from './log/logger.js'
import { requestLog } from './log/request-log.js'
import { addAllMethods } from './methods.js'

/** What a generation is made from. */
export interface AppParts extends BuiltInOptions {
  /** False for none. Default: the service's own. */
  logger?: FastifyBaseLogger | false
  /** The user's folder of plugins. */
  plugins?: string
  /** The user's folder of routes. */
  routes?: string
  /** Adds the user's own to the app, behind the folders. */
  setup?: (app: FastifyInstance) => unknown
}

/**
 * The Fastify app of a generation, with nothing in it yet.
 *
 * @param connections Where its requests come from.
 * @param log That of the service, where no other logger is given.
 * @throws {ConfigInvalidError} for addresses in `trustProxy` that are not valid.
 */
export function createApp ({ config, locate, logger }: AppParts, connections: Connections, membership: Membership, log: ServiceLog | undefined): FastifyInstance {
  const limits = listenLimits(config.listen ?? {})
  const options: FastifyServerOptions = {
    ...log === undefined ? { loggerInstance: logger === undefined || logger === false ? silence : logger } : { logger: log.options(config) },
    ...requestLog(config.accessLog !== false),
    trustProxy: config.trustProxy ?? false,
    ...limits.app,
    serverFactory: handler => new GenerationServer(connections, handler)
  }
  try {
    const app = fastify({
      ...options,
      // Fastify's types have no server of both kinds. What it makes of this is the address in the log.
      ...config.listen?.tls !== undefined && { https: {} },
      ...config.requestId !== false && { genReqId: requestId(config.trustProxy) }
    } as FastifyServerOptions)
    app.decorate(MEMBERSHIP, membership)
    limits.install(app)
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
export async function fillApp (app: FastifyInstance, { config, locate, demo, plugins, routes, setup }: AppParts): Promise<void> {
  const builtIn = { config, locate, demo }
  await app.register(sluice, Object.fromEntries(Object.entries(config).filter(([name]) => name in GatewayOptions.properties)))
  await loadBuiltIn(app, 'plugins', builtIn)
  if (plugins !== undefined) await loadFolder(app, 'plugins', plugins)
  await loadBuiltIn(app, 'routes', builtIn)
  if (routes !== undefined) await loadFolder(app, 'routes', routes)
  await setup?.(app)
}

/**
 * Where the gateway listens, and how it reads what comes.
 *
 * @throws {ConfigInvalidError} naming a file that cannot be read, or holds no certificate.
 */
export function frontOptions ({ config, locate }: Pick<AppParts, 'config' | 'locate'>): FrontOptions {
  const { host, port, tls, maxConnections } = withDefaults(ListenOptions, config.listen ?? {}, ['host', 'port'])
  const { server, keepAliveTimeout } = listenLimits(config.listen ?? {})
  return { address: { host, port }, maxConnections, server, keepAliveTimeout, tls: tlsOptions(tls, locate) }
}

/** @throws {ConfigInvalidError} naming a file that cannot be read, or holds no certificate. */
function tlsOptions (tls: ListenTlsOptions | undefined, locate: Locate): FrontOptions['tls'] {
  if (tls === undefined) return undefined
  try {
    return { context: readPair(tls.cert, tls.key, 'listen'), handshakeTimeout: withDefaults(ListenTlsOptions, tls, ['handshakeTimeout']).handshakeTimeout }
  } catch (error) {
    throw new ConfigInvalidError(`${locate(['listen', 'tls'])}: ${(error as Error).message}`)
  }
}
