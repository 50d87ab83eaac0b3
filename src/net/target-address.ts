import { TargetMalformedError } from '../errors.js'

/** Where a target is, taken apart once. */
export interface TargetAddress {
  /** Scheme, host and port as they are written in a URL; or `unix:` and a path. */
  readonly origin: string
  /** Path of the Unix socket, when the target is one. */
  readonly socketPath?: string
  readonly secure: boolean
  /** Host name or IP address, an IPv6 address without its brackets. */
  readonly hostname: string
  readonly port: number
  /** The Host header that names the target. */
  readonly host: string
}

/**
 * Reads a target from its text.
 *
 * @throws {TargetMalformedError} for anything that is not an origin: another scheme, a path, credentials.
 */
export function parseTarget (text: string): TargetAddress {
  if (/^unix:/i.test(text)) return parseUnixTarget(text)
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new TargetMalformedError(text, `it has no scheme; did you mean 'http://${text}'?`)
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TargetMalformedError(text, 'it is no valid URL')
  }
  if (url.protocol === 'ws:' || url.protocol === 'wss:') {
    throw new TargetMalformedError(text, `a target serves both HTTP and WebSockets; write '${url.protocol === 'ws:' ? 'http' : 'https'}://${url.host}'`)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TargetMalformedError(text, `the scheme '${url.protocol.slice(0, -1)}' is not http or https`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new TargetMalformedError(`${url.protocol}//***@${url.host}`, 'it carries credentials')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new TargetMalformedError(text, `it has a path, query or fragment; write '${url.origin}'`)
  }
  if (url.port === '0') throw new TargetMalformedError(text, 'port 0 is no port to connect to')
  const secure = url.protocol === 'https:'
  return {
    origin: url.origin,
    secure,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    host: url.host
  }
}

function parseUnixTarget (text: string): TargetAddress {
  const socketPath = text.slice('unix:'.length)
  if (!socketPath.startsWith('/') || socketPath.startsWith('//')) {
    throw new TargetMalformedError(text, "a Unix socket is named by its absolute path, as in 'unix:/run/app.sock'")
  }
  return { origin: `unix:${socketPath}`, socketPath, secure: false, hostname: 'localhost', port: 80, host: 'localhost' }
}
