import type { FastifyRequest } from 'fastify'
import { headerValues, type Forwarding } from './headers.js'

/**
 * What the forwarding headers of a request say. Fastify's `trustProxy` decides what of the client's own is
 * believed: without it, everything is set from the connection.
 */
export function forwardingOf (request: FastifyRequest): Forwarding {
  const { socket, rawHeaders } = request.raw
  // The addresses from the peer back to the first one that is not trusted. What stands before that one in
  // X-Forwarded-For is hearsay, so it is not passed on.
  const trusted = request.ips
  const peerIsTrusted = trusted !== undefined && trusted.length > 1
  return {
    for: peerIsTrusted ? trusted.map(plainAddress).reverse().join(', ') : plainAddress(socket.remoteAddress ?? 'unknown'),
    host: request.host === '' ? undefined : request.host,
    proto: request.protocol,
    port: (peerIsTrusted ? headerValues(rawHeaders, 'x-forwarded-port')[0] : undefined) ?? socket.localPort?.toString()
  }
}

/** An IPv4 address that arrived on an IPv6 socket, in its usual form. */
function plainAddress (address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
