import type { IncomingHttpHeaders } from 'node:http'

/** Which origins may open a WebSocket (RFC 6455 §10.2). */
export type Origins = '*' | 'same-origin' | string[]

/**
 * Prepares a route's check of the Origin header.
 *
 * @returns Whether a request's origin is allowed. `host` is the one that the client asked for.
 */
export function originCheck (origins: Origins, requireOrigin: boolean): (headers: IncomingHttpHeaders, host: string, secure: boolean) => boolean {
  const patterns = Array.isArray(origins) ? origins.map(originPattern) : []
  return ({ origin }, host, secure) => {
    if (origin === undefined) return !requireOrigin
    if (origins === '*') return true
    // 'null' is what a sandboxed page, a file and a redirect send; it stands for no origin in particular.
    if (origins === 'same-origin') return origin.toLowerCase() === withoutDefaultPort(`${secure ? 'https' : 'http'}://${host}`).toLowerCase()
    return patterns.some(pattern => pattern.test(origin))
  }
}

/** `*` stands for one or more labels of a host name, and nothing else. */
function originPattern (origin: string): RegExp {
  const escaped = withoutDefaultPort(origin).replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '[\\w-]+(?:\\.[\\w-]+)*')
  return new RegExp(`^${escaped}$`, 'i')
}

/** An origin as browsers write it: without the port that its scheme has anyway. */
function withoutDefaultPort (origin: string): string {
  return origin.replace(/^(http:.*):80$|^(https:.*):443$/i, '$1$2')
}
