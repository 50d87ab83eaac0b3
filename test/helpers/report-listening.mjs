import { Server } from 'node:net'

// Preloaded into a program: says where its server listens, as Fastify's log would.
const { emit } = Server.prototype
Server.prototype.emit = function (event, ...values) {
  if (event === 'listening') process.stdout.write(`Server listening at http://127.0.0.1:${this.address().port}\n`)
  return emit.call(this, event, ...values)
}
