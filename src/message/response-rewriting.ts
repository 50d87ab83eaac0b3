import type { FastifyRequest } from 'fastify'
import type { CookieRules } from '../options/index.js'
import { headerValues, type HeaderList } from './headers.js'
import type { TargetAddress } from '../net/target-address.js'

/** What was asked of a target, whose response may name it. */
export interface Question {
  address: TargetAddress
  /** As they were sent to it. */
  headers: HeaderList
}

type ResponseChange = (headers: HeaderList, request: FastifyRequest, question: Question) => HeaderList

export interface ResponseRewritingOptions {
  stripPrefix?: string | undefined
  rewriteLocation?: boolean | undefined
  rewriteCookies?: boolean | CookieRules | undefined
}

/** Translates what a response says of its target's paths and hosts into those that the client knows. */
export function responseChange ({ stripPrefix = '', rewriteLocation = false, rewriteCookies = false }: ResponseRewritingOptions): ResponseChange {
  if (!rewriteLocation && rewriteCookies === false) return headers => headers
  let prefix = stripPrefix
  while (prefix.endsWith('/')) prefix = prefix.slice(0, -1)
  const rules = rewriteCookies === true ? { domain: true, path: true } as const : rewriteCookies
  return (headers, request, question) => {
    const changed = [...headers]
    let hosts: string[] | undefined
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!.toLowerCase()
      const value = headers[index + 1]!
      if (rewriteLocation && isLocation(name)) {
        changed[index + 1] = publicLocation(name, value, prefix, question.address.basePath, hosts ??= hostsOf(question))
      } else if (rules !== false && name === 'set-cookie') {
        changed[index + 1] = publicCookie(value, prefix, question.address.basePath, rules, request.hostname)
      }
    }
    return changed
  }
}

function isLocation (name: string): boolean {
  return name === 'location' || name === 'content-location' || name === 'refresh'
}

/** The hosts under which a target knows itself: its own, and those named in the request to it. */
function hostsOf ({ address, headers }: Question): string[] {
  return [address.host, ...headerValues(headers, 'host'), ...headerValues(headers, 'x-forwarded-host')].map(host => host.toLowerCase())
}

/** What stands before the URL in a Refresh: `5; url=`, and perhaps a quotation mark. */
const BEFORE_REFRESH_URL = /^\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?["']?/i
/** A URL of HTTP up to the end of its authority (RFC 3986 §3.2). Browsers take a backslash for a slash. */
const ORIGIN = /^(https?|wss?):\/\/([^/?#\\\s"']+)/i

function publicLocation (name: string, value: string, prefix: string, basePath: string, hosts: string[]): string {
  const before = name === 'refresh' ? BEFORE_REFRESH_URL.exec(value)?.[0] : ''
  if (before === undefined) return value
  const url = value.slice(before.length)
  const [origin, scheme, authority] = ORIGIN.exec(url) ?? []
  if (origin === undefined) {
    const inside = isPath(url) ? withoutBase(url, basePath) : undefined
    return inside === undefined ? value : before + ownPath(prefix + inside)
  }
  if (!hosts.some(host => isSameHost(authority!.toLowerCase(), host, scheme!.toLowerCase()))) return value
  // Relative to the client's own URL, so that scheme, host and port are those it has used (RFC 9110 §10.2.2).
  const rest = withoutBase(url.slice(origin.length), basePath)
  if (rest === undefined) return value
  const path = `${prefix}${/^[/\\]/.test(rest) ? '' : '/'}${rest}`
  return before + ownPath(path)
}

/** A path that stays one. Two slashes would begin another host; browsers leave out the tabs between them. */
function ownPath (path: string): string {
  return /^[/\\]\s*[/\\]/.test(path) ? `/.${path}` : path
}

/** What is behind the base path of the target; undefined for a path outside, which no client can reach. */
function withoutBase (path: string, basePath: string): string | undefined {
  if (basePath === '') return path
  if (!path.startsWith(basePath)) return undefined
  const rest = path.slice(basePath.length)
  if (rest === '') return '/'
  if (rest.startsWith('/')) return rest
  return /^[?#]/.test(rest) ? `/${rest}` : undefined
}

/** A path from the root; what begins with two slashes names another host. */
function isPath (url: string): boolean {
  return /^\/(?![/\\])/.test(url)
}

function isSameHost (authority: string, host: string, scheme: string): boolean {
  if (authority === host) return true
  const defaultPort = scheme === 'https' || scheme === 'wss' ? ':443' : ':80'
  return authority + defaultPort === host || authority === host + defaultPort
}

/** Attributes as user agents read them: split at every semicolon, quoted or not (RFC 6265 §5.2). */
function publicCookie (cookie: string, prefix: string, basePath: string, { domain, path }: CookieRules, hostname: string): string {
  // Without these very attributes no client would take it (RFC 6265bis §4.1.3.2).
  if (/^\s*__host-/i.test(cookie)) return cookie
  const [pair, ...attributes] = cookie.split(';')
  let changed = pair!
  for (const attribute of attributes) {
    const [name, value] = attribute.split(/=(.*)/s)
    const attributeName = name!.trim().toLowerCase()
    const rule = attributeName === 'path' ? path : attributeName === 'domain' ? domain : undefined
    if (rule === null) continue
    if (rule === undefined || value === undefined) changed += `;${attribute}`
    else if (rule !== true) changed += `;${name}=${rule}`
    else if (attributeName === 'path') changed += `;${name}=${publicPath(value, prefix, basePath)}`
    else if (isDomainOf(hostname, value)) changed += `;${attribute}`
  }
  return changed
}

/** What is no path from the root, clients take for none. */
function publicPath (value: string, prefix: string, basePath: string): string {
  const [, start, given] = /^(\s*"?)(\/.*)$/.exec(value) ?? []
  if (given === undefined || (prefix === '' && basePath === '')) return value
  // One that holds for more than the target's base path holds for all that it has of the client's.
  const path = `${basePath}/`.startsWith(given.endsWith('/') ? given : `${given}/`) ? '/' : withoutBase(given, basePath)
  if (path === undefined) return value
  if (prefix === '') return start + path
  // '/shop/' would not hold for '/shop' (RFC 6265 §5.1.4).
  return start + prefix + (/^\/["\s]*$/.test(path) ? path.slice(1) : path)
}

/** Whether a client that has asked `hostname` would take a cookie for `domain` (RFC 6265 §5.1.3). */
function isDomainOf (hostname: string, domain: string): boolean {
  const wanted = domain.trim().replace(/^"|"$/g, '').replace(/^\./, '').toLowerCase()
  const host = hostname.toLowerCase()
  return wanted === '' || host === wanted || (host.endsWith(`.${wanted}`) && !/^[\d.]+$/.test(host))
}
