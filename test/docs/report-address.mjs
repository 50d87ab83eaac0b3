import { subscribe } from 'node:diagnostics_channel'

// Preloaded into an example: tells the test where the gateway listens, whatever its log level.
subscribe('fastify.initialization', ({ fastify }) => {
  fastify.addHook('onListen', async function () {
    // A registration of sluice/http-proxy may have a gateway of its own.
    if (this.hasDecorator('gateway') || this.hasPlugin('@fastify/http-proxy')) process.send?.({ port: this.addresses()[0].port })
  })
})
