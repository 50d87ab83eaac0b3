import type { FastifyPluginAsync } from 'fastify'
import { ConfigInvalidError } from '../src/errors.js'
import type { BuiltInOptions } from '../src/service/folders.js'

/** Registers the routes of the configuration. */
const proxy: FastifyPluginAsync<BuiltInOptions> = async (app, { config, locate }) => {
  for (const [index, { url, ...options }] of (config.routes ?? []).entries()) {
    try {
      app.proxy(url, options)
    } catch (error) {
      // Whatever is wrong with a route, such as a method that does not exist, its place is worth knowing.
      throw new ConfigInvalidError(`${locate(['routes', String(index)])}: ${(error as Error).message}`)
    }
  }
}
export default proxy
