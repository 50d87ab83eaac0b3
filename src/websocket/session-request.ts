import type { FastifyRequest } from 'fastify'
import type { SessionRequest } from '../types.js'

/** What Fastify itself puts into a request, less what a snapshot has. */
const NOT_COPIED = new Set(['raw', 'log', 'body'])

/** What a request tells of its connection and of its route. Fastify computes these when asked. */
const COMPUTED = ['ip', 'ips', 'host', 'hostname', 'port', 'protocol', 'method', 'url', 'originalUrl', 'is404'] as const

/**
 * A snapshot of a request. Its headers, its parameters and what hooks have put there are taken as they are, not copied
 * one by one; nothing of it leads to the app.
 */
export function snapshotOf (request: FastifyRequest): SessionRequest {
  const snapshot: Record<string, unknown> = {}
  for (const key of Object.keys(request)) {
    if (!NOT_COPIED.has(key)) snapshot[key] = request[key as keyof FastifyRequest]
  }
  for (const key of COMPUTED) snapshot[key] = request[key]
  snapshot['headers'] = request.headers
  snapshot['routeOptions'] = { url: request.routeOptions.url }
  const { remoteAddress, remotePort } = request.raw.socket
  snapshot['socket'] = { remoteAddress, remotePort }
  return snapshot as unknown as SessionRequest
}
