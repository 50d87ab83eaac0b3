import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import type { SessionRequest } from '../types.js'

/** Query parameters that usually hold secrets. Each also stands for names that end in it behind `-`, `_` or a dot. */
const SECRETS = [
  'accesstoken', 'apikey', 'auth', 'authorization', 'code', 'credential', 'credentials', 'csrf', 'idtoken', 'jwt', 'key', 'pass', 'passwd', 'password', 'pwd',
  'refreshtoken', 'secret', 'session', 'sessionid', 'sid', 'sig', 'signature', 'ticket', 'token'
]

/** They stay where they are. */
const SEPARATORS = /([&;#])/

/** Headers that hold secrets, by themselves or by what their names tell. */
const SECRET_HEADER = /^(?:(?:proxy-)?authorization|(?:set-)?cookie2?)$|token|secret|passw|credential|session|signature|(?:^|[-_])(?:key|apikey|auth|jwt)$/

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]'

/** A URL, or its path and query, without the values of some query parameters. */
export type RedactUrl = (url: string) => string

/**
 * Prepares the redaction of URLs.
 *
 * @param names Query parameters whose values are taken out, in any case. Default: those that usually hold secrets.
 */
export function redactUrl (names: readonly string[] = SECRETS): RedactUrl {
  const known = new Set(names.map(name => name.toLowerCase()))
  const isSecret = (given: string): boolean => {
    const name = decoded(given).toLowerCase()
    return known.has(name) || known.has(name.slice(Math.max(name.lastIndexOf('-'), name.lastIndexOf('_'), name.lastIndexOf('.')) + 1))
  }
  return url => {
    const query = url.indexOf('?')
    if (query === -1) return url
    return url.slice(0, query + 1) + url.slice(query + 1).split(SEPARATORS).map(item => {
      const equals = item.indexOf('=')
      return equals > 0 && isSecret(item.slice(0, equals)) ? `${item.slice(0, equals)}=${REDACTED}` : item
    }).join('')
  }
}

function decoded (name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** Whether a header usually holds a secret. */
export function isSecretHeader (name: string): boolean {
  return SECRET_HEADER.test(name.toLowerCase())
}

/** Chooses headers by their names, and takes the values of some out. */
export type RedactHeaders = (headers: Readonly<Record<string, string | string[] | undefined>>, names: readonly string[]) => Record<string, string | string[]>

/**
 * Prepares the redaction of headers.
 *
 * @param secrets Names of headers whose values are taken out. Default: those that usually hold secrets.
 */
export function redactedHeaders (secrets?: readonly string[]): RedactHeaders {
  const known = secrets === undefined ? undefined : new Set(secrets.map(name => name.toLowerCase()))
  const isSecret = (name: string): boolean => known?.has(name) ?? isSecretHeader(name)
  return (headers, names) => {
    const chosen: Record<string, string | string[]> = {}
    for (const name of names) {
      const value = headers[name]
      if (value !== undefined) chosen[name] = isSecret(name) ? REDACTED : value
    }
    return chosen
  }
}

/** Where a JWT begins. */
const JWT = /(?:^|\.)ey[A-Z]/i
/** What names of subprotocols have that carry a token behind them, such as `base64url.bearer.authorization.k8s.io.`. */
const TOKEN_PREFIX = /bearer|token|auth|jwt|secret|key/i
/** No subprotocol that is only a name is as long. */
const LONG = 64

/** A subprotocol for the log: clients that can set no header put tokens there. */
export function redactedProtocol (protocol: string | undefined): string | undefined {
  if (protocol === undefined) return undefined
  const dot = protocol.lastIndexOf('.')
  const jwt = JWT.exec(protocol)
  if (jwt !== null) return protocol.slice(0, jwt.index) + (jwt[0].startsWith('.') ? '.' : '') + REDACTED
  if (dot !== -1 && TOKEN_PREFIX.test(protocol.slice(0, dot)) && protocol.length - dot > 16) return `${protocol.slice(0, dot + 1)}${REDACTED}`
  return protocol.length > LONG ? REDACTED : protocol
}

/** A request as Fastify logs it, without secrets. */
export function serializedRequest (request: FastifyRequest | SessionRequest, redact: RedactUrl): object {
  return {
    method: request.method,
    url: redact(request.url),
    version: request.headers['accept-version'] as string | undefined,
    host: request.host,
    remoteAddress: request.ip,
    remotePort: request.socket.remotePort
  }
}

/**
 * Options for Fastify's logger that keep secrets in query strings out of its lines:
 * `Fastify({ logger: { level: 'info', ...redactedLogs() } })`.
 *
 * @param names Query parameters whose values are not logged. Default: those that usually hold secrets, such as `token`,
 *   `access_token`, `code`, `key`, `password` and `signature`.
 */
export function redactedLogs (names?: readonly string[]): Extract<FastifyServerOptions['logger'], object> {
  const redact = redactUrl(names)
  return {
    serializers: {
      req: (request: FastifyRequest) => serializedRequest(request, redact),
      res: (reply: FastifyReply) => ({ statusCode: reply.statusCode })
    },
    hooks: {
      // Fastify's line for a route that is not found has the URL in its text.
      logMethod (args, method) {
        const redacted = args.map(arg => typeof arg === 'string' && arg.includes('?') ? arg.split(' ').map(redact).join(' ') : arg)
        method.apply(this, redacted as Parameters<typeof method>)
      }
    }
  } as Extract<FastifyServerOptions['logger'], object>
}
