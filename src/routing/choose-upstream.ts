import type { FastifyRequest } from 'fastify'
import { UpstreamSelectionError } from '../errors.js'
import type { UpstreamFunction } from '../options/index.js'
import type { UpstreamRegistry } from '../upstreams/registry.js'
import type { Upstream } from '../upstreams/upstream.js'

/**
 * The upstream that serves a request, according to its route's `upstream` option.
 *
 * @throws {UpstreamSelectionError} when the option is a function that throws, or gives neither a declared
 *   name nor the URL of an origin. The cause tells which.
 */
export function chooseUpstream (registry: UpstreamRegistry, option: string | UpstreamFunction, request: FastifyRequest): Upstream | Promise<Upstream> {
  // The plugin has checked, when the app became ready, that every route's name is declared.
  return typeof option === 'string' ? registry.get(option)! : upstreamOf(registry, option, request)
}

async function upstreamOf (registry: UpstreamRegistry, option: UpstreamFunction, request: FastifyRequest): Promise<Upstream> {
  try {
    const chosen: unknown = await option(request)
    const upstream = typeof chosen === 'string' ? registry.get(chosen) : undefined
    if (upstream !== undefined) return upstream
    throw new TypeError(`the upstream function gave ${JSON.stringify(chosen) ?? String(chosen)}, which is neither a declared name nor the URL of an origin`)
  } catch (cause) {
    // An error that the function made for the client, such as an unauthorised tenant, keeps its status.
    if (cause instanceof Error && 'statusCode' in cause && !('code' in cause && String(cause.code).startsWith('SLUICE_'))) throw cause
    throw new UpstreamSelectionError({ cause })
  }
}
