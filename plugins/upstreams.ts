import fastifyPlugin from 'fastify-plugin'
import { ConfigInvalidError } from '../src/errors.js'
import type { BuiltInOptions } from '../src/service/folders.js'

/** Declares the upstreams of the configuration. */
export default fastifyPlugin<BuiltInOptions>(async (app, { config, locate }) => {
  for (const [name, options] of Object.entries(config.upstreams ?? {})) {
    try {
      app.upstream(name, options)
    } catch (error) {
      // Whatever turns up only now, such as a certificate that cannot be read, its place is worth knowing.
      throw new ConfigInvalidError(`${locate(['upstreams', name])}: ${(error as Error).message}`)
    }
  }
}, { name: 'sluice-upstreams' })
