import { isIP } from 'node:net'
import { TargetMalformedError } from '../errors.js'

/** Where a target is, taken apart once. */
export interface TargetAddress {
  /** What names the target: scheme, host, port and base path as they are written in a URL; or `unix:` and a path. */
  readonly url: string
  /** Is put before the path of each request; without a slash at its end, so '' for none. */
  readonly basePath: string
  /** Path of the Unix socket, when the target is one. */
  readonly socketPath?: string
  readonly secure: boolean
  /** Host name or IP address that is connected to, an IPv6 address without its brackets. */
  readonly hostname: string
  readonly port: number
  /** The Host header that names the target. */
  readonly host: string
  /** The name that its certificate must bear: that of `host`. */
  readonly serverName: string
}

/**
 * Reads a target from its text.
 *
 * @param name The name by which it is known, with a port where that is not its own. Default: the host of the URL.
 * @throws {TargetMalformedError} for anything that is not the URL of a target: another scheme, a query, credentials.
 */
export function parseTarget (text: string, name?: string): TargetAddress {
  if (/^unix:/i.test(text)) return named(parseUnixTarget(text), name, text)
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const meant = withScheme(text)
    throw new TargetMalformedError(text, `it has no scheme; ${meant === undefined ? "write it as in 'http://127.0.0.1:5173'" : `did you mean '${meant}'?`}`)
  }
  const { scheme, host, port } = authorityOf(text)
  // The URL standard reads on for the next name.
  if (host === '' && /^https?$/i.test(scheme)) throw new TargetMalformedError(text, urlFault(text, scheme, host, port))
  // It also takes a number for an IPv4 address in one piece.
  if (isPort(host)) throw new TargetMalformedError(text, `'${host}' is a port without a host; did you mean '${scheme}://127.0.0.1:${host}'?`)
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TargetMalformedError(text, urlFault(text, scheme, host, port))
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
  if (url.search !== '' || url.hash !== '') {
    throw new TargetMalformedError(text, `it has a query or a fragment; write '${url.origin}${url.pathname === '/' ? '' : url.pathname}'`)
  }
  if (url.port === '0') throw new TargetMalformedError(text, 'port 0 is no port to connect to')
  const secure = url.protocol === 'https:'
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const basePath = basePathOf(url.pathname, text)
  return named({
    url: url.origin + basePath,
    basePath,
    secure,
    hostname,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    host: url.host,
    serverName: hostname
  }, name, text)
}

/** Scheme, host and port as they are written; the URL class would change them, or refuse the whole. */
function authorityOf (text: string): { scheme: string, host: string, port: string | undefined } {
  const at = text.indexOf('://')
  const authority = text.slice(at + 3).split(/[/?#]/, 1)[0]!
  const [, host = authority, port] = /^([^:]*):(\d*)$/.exec(authority) ?? []
  return { scheme: text.slice(0, at), host, port }
}

/** What is wrong with a URL that cannot be parsed, if that is known. */
function urlFault (text: string, scheme: string, host: string, port: string | undefined): string {
  if (/\s/.test(text)) return 'it has a space'
  if (host === '') return `it has no host; did you mean '${scheme}://127.0.0.1${isPort(port) ? `:${port}` : ':5173'}'?`
  if (port !== undefined && Number(port) > 65_535) return `its port must be one of 1 to 65535, got ${port}`
  return "it is not a valid URL; write it as in 'http://127.0.0.1:5173'"
}

function isPort (text: string | undefined): boolean {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
}

/** The URL that a text without a scheme was probably meant to be: `5173`, `:5173`, `localhost:5173`, `http:/localhost`; undefined for none. */
export function withScheme (text: string): string | undefined {
  const port = /^:?(\d+)$/.exec(text)?.[1]
  if (port !== undefined) return isPort(port) ? `http://127.0.0.1:${port}` : undefined
  const [, scheme = 'http', rest = ''] = /^(?:(https?)(?::\/?|\/\/)|\/\/)?((?:\[[0-9A-Fa-f:.]+\]|[^/\s:]+)(?::\d{1,5})?(?:\/.*)?)$/i.exec(text) ?? []
  return rest === '' ? undefined : `${scheme.toLowerCase()}://${isPort(rest) ? `127.0.0.1:${rest}` : rest}`
}

function basePathOf (pathname: string, text: string): string {
  let path = pathname
  while (path.endsWith('/')) path = path.slice(0, -1)
  // Another path would be put behind it, and could begin another host.
  if (path.startsWith('//')) throw new TargetMalformedError(text, 'its path begins with two slashes')
  return path
}

/** A port that is not the scheme's own belongs to Host (RFC 9110 §7.2). */
function named (address: TargetAddress, name: string | undefined, text: string): TargetAddress {
  if (name === undefined) return address
  const [, serverName, port] = /^(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@[\]]+)(:\d{1,5})?$/.exec(name) ?? []
  if (serverName === undefined) throw new TargetMalformedError(text, `its host '${name}' is not a host with or without a port, such as app.example.com`)
  const usual = address.socketPath !== undefined || address.port === (address.secure ? 443 : 80)
  return {
    ...address,
    host: port !== undefined || usual ? name : `${name}:${address.port}`,
    serverName: serverName.replace(/^\[|\]$/g, '')
  }
}

function parseUnixTarget (text: string): TargetAddress {
  const socketPath = text.slice('unix:'.length)
  if (!socketPath.startsWith('/') || socketPath.startsWith('//')) {
    throw new TargetMalformedError(text, "a Unix socket is named by its absolute path, as in 'unix:/run/app.sock'")
  }
  return { url: `unix:${socketPath}`, basePath: '', socketPath, secure: false, hostname: 'localhost', port: 80, host: 'localhost', serverName: 'localhost' }
}

/** The path of a request as sent to a target: behind its base path. The `*` of `OPTIONS *` stays as it is. */
export function pathAt ({ basePath }: TargetAddress, path: string): string {
  return basePath === '' || !path.startsWith('/') ? path : basePath + path
}

/** Whether an address is a name, which may get other addresses. */
export function isName ({ hostname, socketPath }: TargetAddress): boolean {
  return socketPath === undefined && isIP(hostname) === 0
}
