import type { FastifyRequest } from 'fastify'
import { UpstreamSelectionError } from '../errors.js'
import type { UpstreamAtUrl, UpstreamFunction } from '../options/index.js'
import { show } from '../options/validate.js'
import { UpstreamRegistry } from '../upstreams/registry.js'
import type { Upstream } from '../upstreams/upstream.js'

/**
 * The upstream that serves a request, according to its route's `upstream` option.
 *
 * @throws {UpstreamSelectionError} when the option is a function that throws, or gives neither a declared
 *   name nor the URL of an origin, nor that with valid TLS options. The cause tells which.
 */
export function chooseUpstream (registry: UpstreamRegistry, option: string | UpstreamFunction, request: FastifyRequest): Upstream | Promise<Upstream> {
  // The plugin has checked, when the app became ready, that every route's name is declared.
  return typeof option === 'string' ? registry.get(option)! : upstreamOf(registry, option, request)
}

function isAtUrl (chosen: unknown): chosen is UpstreamAtUrl {
  return typeof chosen === 'object' && chosen !== null && 'url' in chosen && typeof chosen.url === 'string' && UpstreamRegistry.isUrl(chosen.url)
}

async function upstreamOf (registry: UpstreamRegistry, option: UpstreamFunction, request: FastifyRequest): Promise<Upstream> {
  try {
    const chosen: unknown = await option(request)
    const upstream = typeof chosen === 'string' ? registry.get(chosen) : isAtUrl(chosen) ? registry.at(chosen) : undefined
    if (upstream !== undefined) return upstream
    // TLS options may contain a key.
    throw new TypeError(`the upstream function gave ${typeof chosen === 'string' ? show(chosen) : `something of type ${typeof chosen}`}, which is neither a declared name nor the URL of an origin, nor { url, tls }`)
  } catch (cause) {
    // An error that the function made for the client, such as an unauthorised tenant, keeps its status.
    if (cause instanceof Error && 'statusCode' in cause && !('code' in cause && String(cause.code).startsWith('SLUICE_'))) throw cause
    throw new UpstreamSelectionError({ cause })
  }
}
