import type { IncomingMessage } from 'node:http'
import { pathEnd } from './path-readings.js'
import { asksForWebSocket } from './upgrade-request.js'

/** What the router would make of paths. */
export interface RoutedPaths {
  /** Whether a path leads to a proxied route: one that is proxied by the gateway, or whose handshakes are. */
  isProxied (method: string, path: string, isHandshake: boolean): boolean
  /** Whether, of two readings of a path, one leads to a proxied route and the other somewhere else. */
  leadsElsewhere (method: string, path: string, other: string, isHandshake: boolean): boolean
}

/** The targets of requests that the router was given in another form. */
const received = new WeakMap<IncomingMessage, { target: string, routed: string }>()

/** A whole URL (RFC 9112 §3.2.2), up to the end of its authority. */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i
/** An escaped character that may stand unescaped in a path, and that the router leaves escaped. */
const ESCAPED_IN_ROUTES = /%(?:2[46bc]|3[ad]|40)/gi

/** The path and query of a request, as the client has sent them. */
export function requestTarget (request: IncomingMessage): string {
  const known = received.get(request)
  // The app may have written it anew since.
  return known !== undefined && known.routed === request.url ? known.target : request.url!
}

/**
 * Brings the target of a request into a form that the router takes, before it is routed:
 *
 * - Of a whole URL, which every server must accept (RFC 9112 §3.2.2), the path remains, and its authority takes the
 *   place of Host.
 * - Escapes that are not UTF-8 would be refused by the router. On their way to a proxied route they become text.
 * - An escaped `@`, say, stands for itself where that leads to a proxied route (RFC 3986 §2.2 lets servers differ).
 *
 * A target gets what the client has sent, all the same.
 */
export function prepareTarget (request: IncomingMessage, routes: RoutedPaths): void {
  const { url } = request
  // Nearly always there is nothing to do.
  if (url === undefined || (url.charCodeAt(0) === 0x2f && !url.includes('%')) || received.has(request)) return
  const target = url.charCodeAt(0) === 0x2f ? url : originForm(request, url)
  if (target === undefined) return
  const end = pathEnd(target)
  const path = target.slice(0, end)
  const routed = withoutBadEscapes(path)
  const unescaped = routed.replace(ESCAPED_IN_ROUTES, decodeURIComponent)
  const { method } = request
  // What is not proxied by the gateway must not see another path than the client has sent.
  const isHandshake = asksForWebSocket(request)
  const chosen = unescaped !== routed && routes.leadsElsewhere(method!, routed, unescaped, isHandshake)
    ? unescaped
    : routed !== path && routes.isProxied(method!, path, isHandshake) ? routed : path
  const form = chosen + target.slice(end)
  if (form === url) return
  request.url = form
  received.set(request, { target, routed: form })
}

/** The path and query of a whole URL. Its authority becomes the Host, whatever that was. */
function originForm (request: IncomingMessage, url: string): string | undefined {
  const [origin, authority] = ABSOLUTE_FORM.exec(url) ?? []
  if (origin === undefined || authority === undefined || authority === '') return undefined
  const { rawHeaders, headers } = request
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  if (at === -1) rawHeaders.push('Host', authority)
  else rawHeaders[at + 1] = authority
  headers.host = authority
  const rest = url.slice(origin.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Beginnings of characters of ASCII in more bytes than UTF-8 allows, dots and slashes among them, which some decode. */
const OVERLONG = /%(?:c[01]%[89ab]|e0%[89]|f0%8)/i

/**
 * A path as the router wants it: escapes that are not UTF-8, such as those of Latin-1, become text. What is malformed
 * stays, and the router refuses it.
 */
export function withoutBadEscapes (path: string): string {
  if (!path.includes('%') || OVERLONG.test(path)) return path
  return path.replace(/(?:%[89a-f][0-9a-f])+/gi, escapes => {
    try {
      decodeURIComponent(escapes)
      return escapes
    } catch {
      return escapes.replaceAll('%', '%25')
    }
  })
}
