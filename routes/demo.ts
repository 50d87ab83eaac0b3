import type { FastifyPluginAsync } from 'fastify'
import type { BuiltInOptions } from '../src/service/folders.js'

/** Sends everything to the embedded demo, when there is nothing else to serve. */
const demoRoute: FastifyPluginAsync<BuiltInOptions> = async (app, { demo }) => {
  if (!demo) return
  // Only here: no other service needs any of it.
  const { serveDemo } = await import('../src/service/demo/routes.js')
  await serveDemo(app)
}
export default demoRoute
