import type { FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { OptionsInvalidError } from '../errors.js'
import { AdminOptions } from '../options/index.js'
import { validated } from '../options/validate.js'
import { LocalSource } from './local-source.js'
import { adminFault } from './options.js'
import { AdminServer } from './server.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The admin listener, once the app is ready. */
    gatewayAdmin: { readonly address: string }
  }
}

const plugin: FastifyPluginAsync<AdminOptions> = async (app, given) => {
  const where = 'The options of sluice/admin'
  const options = validated(AdminOptions, given, where)
  const fault = adminFault(options)
  if (fault !== undefined) throw new OptionsInvalidError(where, `option '${fault.option}': ${fault.message}`)
  let server: AdminServer | undefined
  app.decorate('gatewayAdmin', {
    get address () {
      if (server === undefined) throw new Error('The admin listener opens when the app is ready.')
      return server.address
    }
  })
  app.addHook('onReady', async () => {
    server = await AdminServer.open(new LocalSource({
      gateway: app.gateway,
      log: app.log,
      config: undefined,
      reload: undefined,
      get state () {
        if (app.gateway.sessions.stopping) return 'stopping'
        return app.server.listening ? 'serving' : 'starting'
      },
      observe: observer => app.gateway.observe(observer),
      onReload: () => () => {}
    }), options)
  })
  app.addHook('onClose', async () => { await server?.close() })
}

/**
 * The admin listener of an app that has the gateway: `await app.register(admin, { port: 9901 })`, behind
 * `app.register(sluice)`. It opens when the app becomes ready, and closes with it.
 */
export default fastifyPlugin(plugin, { fastify: '^5.5.0', name: 'sluice-admin', dependencies: ['sluice'] })
export { AdminOptions }
