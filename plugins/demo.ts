import fastifyPlugin from 'fastify-plugin'
import type { BuiltInOptions } from '../src/service/folders.js'

/** Starts the embedded demo, when there is nothing else to serve, and declares it as the upstream 'demo'. */
export default fastifyPlugin<BuiltInOptions>(async (app, { demo }) => {
  if (!demo) return
  // Only here: no other service needs any of it.
  const { startDemoUpstream } = await import('../src/service/demo/upstream.js')
  const { url, close } = await startDemoUpstream()
  app.addHook('onClose', close)
  app.upstream('demo', { targets: [url] })
  app.log.info("No upstream is configured, so this is the demo: open the address below in a browser. To name a real upstream: 'sluice http://127.0.0.1:5173', 'sluice --config sluice.yaml', or UPSTREAM_URL in the environment.")
}, { name: 'sluice-demo' })
