import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { AdminForbiddenError, AdminUnauthorizedError } from '../errors.js'

/** What probes ask, which have no token. */
const OPEN_PATHS = new Set(['/healthz', '/readyz'])

/** Who may use an admin listener. */
export interface Access {
  /** Undefined for none: then only this machine can connect. */
  readonly token: string | undefined
  /** Whether it listens on a Unix socket, to which no page of a browser can connect. */
  readonly isSocket: boolean
}

/**
 * Lets in whoever may use the admin listener.
 *
 * @throws {AdminForbiddenError} for a page of another origin, and for a name that may have been made to point here:
 *   its pages would be of this origin (DNS rebinding). A page cannot know the token.
 * @throws {AdminUnauthorizedError} without the token.
 */
export function checkAccess (request: FastifyRequest, { token, isSocket }: Access): void {
  const { host = '', origin } = request.headers
  if (token === undefined && !isSocket && !isOfThisMachine(host)) {
    throw new AdminForbiddenError(`Host '${host}' is neither an address nor localhost. Open it as localhost, or set admin.token`)
  }
  if (origin !== undefined && !isOriginOf(origin, host)) throw new AdminForbiddenError('a page of another origin may not ask')
  if (token !== undefined && !OPEN_PATHS.has(request.url.split('?', 1)[0]!) && !shows(request.headers.authorization, token)) throw new AdminUnauthorizedError()
}

/** Whether a Host is an address or localhost: no DNS server is asked about these (RFC 6761 §6.3), so neither can be rebound. */
export function isOfThisMachine (host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

/** Whether an Origin is that of a Host, whatever the scheme: TLS may end in front of this. */
export function isOriginOf (origin: string, host: string): boolean {
  return origin.replace(/^https?:\/\//, '') === host
}

function shows (authorization: string | undefined, token: string): boolean {
  const [, scheme = '', value = ''] = /^(\S+) +(\S.*)$/.exec(authorization ?? '') ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer': return isSame(value, token)
    case 'basic': {
      const credentials = Buffer.from(value, 'base64').toString()
      return isSame(credentials.slice(credentials.indexOf(':') + 1), token)
    }
    default: return false
  }
}

/** Takes the same time whatever is given. */
function isSame (given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}
