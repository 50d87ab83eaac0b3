import type { FastifyRequest } from 'fastify'
import type { SessionRequest } from '../types.js'

/** What Fastify itself puts into a request: a snapshot has it in its own way, or has not. */
const NOT_COPIED = new Set(['id', 'params', 'raw', 'query', 'log', 'body'])

/** What of a request outlives it, in the shape of Fastify's. Nothing of it leads to the app. */
class Snapshot {
  readonly id: string
  readonly params: unknown
  readonly query: unknown
  readonly headers: FastifyRequest['headers']
  readonly method: string
  readonly url: string
  readonly originalUrl: string
  readonly ip: string
  readonly ips: string[] | undefined
  readonly host: string
  readonly protocol: 'http' | 'https'
  readonly is404 = false
  readonly routeOptions: SessionRequest['routeOptions']
  readonly socket: SessionRequest['socket']

  constructor (request: FastifyRequest, route: string) {
    const { remoteAddress, remotePort } = request.raw.socket
    this.id = request.id
    this.params = request.params
    this.query = request.query
    this.headers = request.headers
    this.method = request.method
    this.url = request.url
    this.originalUrl = request.originalUrl
    this.ip = request.ip
    this.ips = request.ips
    this.host = request.host
    this.protocol = request.protocol
    this.routeOptions = { url: route }
    this.socket = { remoteAddress, remotePort }
  }

  get hostname (): string {
    const { host } = this
    return host.startsWith('[') ? host.slice(0, host.indexOf(']') + 1) : host.split(':', 1)[0]!
  }

  get port (): number | null {
    const port = /:(\d+)$/.exec(this.host)?.[1]
    return port === undefined ? null : Number(port)
  }
}

/**
 * A snapshot of a request. Its headers, its parameters and what hooks have put there are taken as they are, not copied
 * one by one.
 *
 * @param route The URL pattern of its route.
 */
export function snapshotOf (request: FastifyRequest, route: string): SessionRequest {
  const snapshot = new Snapshot(request, route)
  for (const key in request) {
    // What hooks have decorated it with.
    if (Object.hasOwn(request, key) && !NOT_COPIED.has(key)) (snapshot as unknown as Record<string, unknown>)[key] = request[key as keyof FastifyRequest]
  }
  return snapshot as unknown as SessionRequest
}
