import type { FastifyPluginAsync } from 'fastify'
import type { BuiltInOptions } from '../src/service/folders.js'

/** Sends everything to the embedded demo, when there is nothing else to serve. */
const demoRoute: FastifyPluginAsync<BuiltInOptions> = async (app, { demo }) => {
  if (demo) app.proxy('/*', { upstream: 'demo', websocket: true })
}
export default demoRoute
