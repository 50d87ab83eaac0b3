import type { IncomingHttpHeaders } from 'node:http'
import { OriginForbiddenError } from '../errors.js'
import type { Admission, Policy } from '../proxy/policy.js'

/** Which origins may open a WebSocket (RFC 6455 §10.2). */
export type Origins = '*' | 'same-origin' | string[]

/** No origin is longer: a scheme, a host name of 253 characters and a port. */
const MAX_ORIGIN = 512

/** Lets the pages of some origins open a WebSocket, and no others. */
export class OriginPolicy implements Policy {
  readonly #allows: ReturnType<typeof originCheck>

  constructor (origins: Origins, requireOrigin: boolean) {
    this.#allows = originCheck(origins, requireOrigin)
  }

  /** @throws {OriginForbiddenError} */
  admit ({ request }: Admission): void {
    // Traefik names a handshake's scheme in X-Forwarded-Proto.
    if (!this.#allows(request.headers, request.host, /^(?:https|wss)$/.test(request.protocol))) throw new OriginForbiddenError()
  }
}

/**
 * Prepares a route's check of the Origin header.
 *
 * @returns Whether a request's origin is allowed. `host` is the one that the client asked for.
 */
export function originCheck (origins: Origins, requireOrigin: boolean): (headers: IncomingHttpHeaders, host: string, secure: boolean) => boolean {
  const patterns = Array.isArray(origins) ? origins.map(origin => withoutDefaultPort(origin).toLowerCase().split('*')) : []
  return ({ origin }, host, secure) => {
    if (origin === undefined) return !requireOrigin
    if (origin.length > MAX_ORIGIN) return false
    if (origins === '*') return true
    const lower = origin.toLowerCase()
    // 'null' is what a sandboxed page, a file and a redirect send; it stands for no origin in particular.
    if (origins === 'same-origin') return lower === withoutDefaultPort(`${secure ? 'https' : 'http'}://${host}`).toLowerCase()
    return patterns.some(pattern => matches(lower, pattern))
  }
}

/**
 * Whether a text is made of some parts, with one or more labels of a host name between each two. The first and the last
 * part stand at its ends; those between are each taken where they come first, so nothing is looked at again.
 */
function matches (text: string, parts: string[]): boolean {
  const first = parts[0]!
  if (parts.length === 1) return text === first
  const last = parts.at(-1)!
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    // The labels have at least one character.
    const found = text.indexOf(part, at + 1)
    if (found === -1 || !areLabels(text.slice(at, found))) return false
    at = found + part.length
  }
  return at < end && areLabels(text.slice(at, end))
}

function areLabels (text: string): boolean {
  return text.split('.').every(label => /^[\w-]+$/.test(label))
}

/** An origin as browsers write it: without the port that its scheme has anyway. */
function withoutDefaultPort (origin: string): string {
  const port = /^http:/i.test(origin) ? ':80' : /^https:/i.test(origin) ? ':443' : undefined
  return port !== undefined && origin.endsWith(port) ? origin.slice(0, -port.length) : origin
}
