import { readFileSync } from 'node:fs'
import Fastify, { type FastifyServerOptions } from 'fastify'
import sluice from '../../../src/index.js'

/*
 * The gateway that a foreign test suite goes through, as a process of its own. The port that a request names in
 * Host is its target. It has a listener for http and one for https, whose ports it tells its parent.
 *
 *   gateway.ts CERTIFICATE KEY
 */

async function listen (scheme: 'http' | 'https', options: object = {}): Promise<number> {
  const app = Fastify({ ...options, forceCloseConnections: true } as FastifyServerOptions)
  await app.register(sluice)
  app.proxy('/*', {
    upstream: request => `${scheme}://${request.headers.host}`,
    // What passes through nginx is to pass here: the suites send much that is not by RFC 6455.
    websocket: { strict: false }
  })
  return Number(new URL(await app.listen({ host: 'localhost', port: 0 })).port)
}

const [cert, key] = process.argv.slice(2).map(file => readFileSync(file))
process.send!({ http: await listen('http'), https: await listen('https', { https: { cert, key } }) })
process.once('disconnect', () => process.exit())
