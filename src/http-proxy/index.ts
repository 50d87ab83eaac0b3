import original from '@fastify/http-proxy'
import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { OptionsInvalidError } from '../errors.js'
import sluice from '../plugin.js'
import { hasGateway } from '../routing/opt-in.js'
import { divide } from './options.js'
import type { FastifyHttpProxyOptions as Options, FromParameters, HttpProxyOptions, OriginalOptions, ProxyReply } from './types.js'

export type { FastifyHttpProxyOptions, HttpProxyOptions, HttpProxyPassthroughOptions } from './types.js'

/**
 * @fastify/http-proxy with the gateway's WebSockets: a drop-in for it. Requests are served by @fastify/http-proxy itself;
 * with `websocket: true`, handshakes go through the gateway, that of the scope or one of its own.
 *
 * @throws {OptionsInvalidError | TargetMalformedError} for options for WebSockets that cannot be honoured, with the fix.
 */
async function fastifyHttpProxy (app: FastifyInstance, options: HttpProxyOptions): Promise<void> {
  // What Fastify itself takes from the options of a registration holds for this scope already.
  const { prefix: _prefix, logLevel: _logLevel, logSerializers: _logSerializers, passthrough: own, ...given } = options as HttpProxyOptions & { logLevel?: string, logSerializers?: object }
  if (!given.websocket) {
    if (own !== undefined) throw new OptionsInvalidError("'sluice/http-proxy'", "option 'passthrough' is for WebSockets. Set 'websocket: true', or remove it.")
    await app.register(original, given as OriginalOptions)
    return
  }
  const { http, passthroughIn } = divide({ ...given, passthrough: own } as HttpProxyOptions, app)
  if (!hasGateway(app)) await app.register(sluice)
  let fromParameters: FromParameters | undefined
  // A decorator of replies, which is the same function for all of them.
  app.addHook('onRequest', (_request, reply, done) => {
    fromParameters ??= (reply as ProxyReply).fromParameters
    done()
  })
  const passthrough = passthroughIn(app, () => fromParameters!)
  await app.register(original, { ...http, config: { ...http.config, passthrough } as object })
}

/** `fastifyHttpProxy.FastifyHttpProxyOptions`, as the original has it, too. */
declare namespace fastifyHttpProxy {
  export type FastifyHttpProxyOptions = Options
}

/** The methods and the routes of a registration that does not name its own. */
const { defaultHttpMethods, defaultRoutes } = original as unknown as { defaultHttpMethods: readonly string[], defaultRoutes: readonly string[] }

fastifyPlugin(fastifyHttpProxy, { fastify: '5.x', name: '@fastify/http-proxy', encapsulate: true })
Object.assign(fastifyHttpProxy, { default: fastifyHttpProxy, fastifyHttpProxy, defaultHttpMethods, defaultRoutes })

export default fastifyHttpProxy
export { fastifyHttpProxy, defaultHttpMethods, defaultRoutes }
// What require() gives, as with the original.
export { fastifyHttpProxy as 'module.exports' }
