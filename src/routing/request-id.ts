import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import proxyAddr from '@fastify/proxy-addr'
import type { FastifyServerOptions } from 'fastify'

/** The option `trustProxy` of Fastify. */
export type TrustProxy = NonNullable<FastifyServerOptions['trustProxy']>

/** Ids that are safe in a log and in a header: UUIDs, base64, those of tracers. */
const WELL_FORMED = /^[\w.:;,=+/@~-]{1,128}$/

/**
 * Makes ids for requests, as Fastify's option `genReqId`: the X-Request-Id of a peer that is trusted, and a
 * random UUID if there is none, or one that is longer than 128 characters or has others than letters, digits
 * and `_ . : ; , = + / @ ~ -`.
 *
 * @param trustProxy The same that Fastify has. Default: nobody is trusted.
 * @throws {TypeError} for an invalid address.
 */
export function requestId (trustProxy: TrustProxy = false): (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string {
  const trusts = trustFunction(trustProxy)
  return ({ headers, socket }) => {
    const given = headers['x-request-id']
    // A peer on a Unix socket has no address; Fastify asks about it all the same.
    const believed = typeof given === 'string' && WELL_FORMED.test(given) && trusts(socket.remoteAddress!, 0)
    return believed ? given : randomUUID()
  }
}

/** As Fastify reads its option. */
function trustFunction (trustProxy: TrustProxy): (address: string, hop: number) => boolean {
  if (typeof trustProxy === 'function') return trustProxy
  if (typeof trustProxy === 'string') return proxyAddr.compile(trustProxy.split(',').map(address => address.trim()))
  return Array.isArray(trustProxy) ? proxyAddr.compile(trustProxy) : () => trustProxy === true
}
