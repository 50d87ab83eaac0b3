import { setImmediate } from 'node:timers/promises'
import type { FastifyPluginAsync } from 'fastify'
import { ConfigInvalidError } from '../src/errors.js'
import type { BuiltInOptions } from '../src/service/folders.js'

/** How many are registered in one turn of the event loop. */
const ROUTES_AT_ONCE = 8

/** Registers the routes of the configuration. */
const proxy: FastifyPluginAsync<BuiltInOptions> = async (app, { config, locate }) => {
  for (const [index, { url, ...options }] of (config.routes ?? []).entries()) {
    try {
      app.proxy(url, options)
    } catch (error) {
      // Whatever is wrong with a route, such as a method that does not exist, its place is worth knowing.
      throw new ConfigInvalidError(`${locate(['routes', String(index)])}: ${(error as Error).message}`)
    }
    // A reload with many of them must not hold up the traffic of the routes that there are.
    if (index % ROUTES_AT_ONCE === ROUTES_AT_ONCE - 1) await setImmediate()
  }
}
export default proxy
