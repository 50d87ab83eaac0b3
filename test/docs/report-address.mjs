import { subscribe } from 'node:diagnostics_channel'

// Preloaded into an example: tells the test where the gateway listens, whatever its log level.
subscribe('fastify.initialization', ({ fastify }) => {
  fastify.addHook('onListen', async function () {
    if (this.hasDecorator('gateway')) process.send?.({ port: this.addresses()[0].port })
  })
})
