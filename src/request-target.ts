import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { checkReadings, routable } from './path-readings.js'
import { mirrorOf, type RouteMirror } from './route-mirror.js'
import { isHost } from './upstreams/host.js'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Runs a request through the router and the lifecycle of an app. */
export type Routing = (request: IncomingMessage, response: ServerResponse) => void

/** Requests that the router sees under another spelling, with the one that was sent. */
const respelt = new WeakMap<IncomingMessage, { sent: string, routed: string }>()

/** The path and query as they were sent: what the target gets. What an app's own `rewriteUrl` gives takes their place. */
export function sentUrl (request: IncomingMessage): string {
  const spelling = respelt.get(request)
  return spelling === undefined || spelling.routed !== request.url ? request.url! : spelling.sent
}

/** What becomes of request targets, before routing and at the routes that are proxied. */
export class RequestTargets {
  readonly #mirror: RouteMirror
  static readonly #watched = new WeakSet<Server>()

  constructor (app: FastifyInstance) {
    this.#mirror = mirrorOf(app)
    if (RequestTargets.#watched.has(app.server)) return
    RequestTargets.#watched.add(app.server)
    // Before Fastify's own listener.
    app.server.prependListener('request', (request: IncomingMessage) => this.#prepare(request))
  }

  /** The same for requests that do not come as 'request'. */
  before (routing: Routing): Routing {
    return (request, response) => {
      this.#prepare(request)
      routing(request, response)
    }
  }

  /**
   * Refuses what another route's hooks would have to decide upon.
   *
   * @throws {PathInvalidError} where the path can be read as that of another route.
   */
  check ({ raw, routeOptions }: FastifyRequest): void {
    checkReadings(this.#mirror, raw.method!, sentUrl(raw), routeOptions.url!)
  }

  #prepare (request: IncomingMessage): void {
    const { url } = request
    if (url === undefined || request.httpVersionMajor !== 1) return
    if (url.charCodeAt(0) !== SLASH) originForm(request, url)
    if (request.url!.includes('%')) this.#respell(request, request.url!)
  }

  /**
   * The router refuses escapes that are no UTF-8, and matches no escaped reserved character (RFC 3986 §2.2) with
   * the character itself. Where a spelling that it takes leads to a proxied route, it gets that one to see.
   */
  #respell (request: IncomingMessage, sent: string): void {
    const query = sent.indexOf('?')
    const path = query === -1 ? sent : sent.slice(0, query)
    const utf8 = routable(path)
    const plain = utf8.replace(ESCAPED_RESERVED, escape => decodeURIComponent(escape))
    if (plain === path) return
    const method = request.method!
    const byPlain = plain === utf8 ? undefined : this.#mirror.find(method, plain)
    const byUtf8 = this.#mirror.find(method, utf8)
    // As a parameter, the escape means the same to the router; it is another route that has the character in its URL.
    const routedPath = byPlain?.proxied === true && byPlain !== byUtf8 ? plain : utf8
    if (routedPath === path || (routedPath === utf8 && byUtf8?.proxied !== true)) return
    const routed = query === -1 ? routedPath : routedPath + sent.slice(query)
    respelt.set(request, { sent, routed })
    // As Fastify's rewriteUrl does; request.originalUrl is this.
    Object.assign(request, { originalUrl: sent, url: routed })
  }
}

const SLASH = 0x2f
/** Those that neither end a segment or a path nor make it another: $ & + , : = @ */
const ESCAPED_RESERVED = /%(?:24|26|2b|2c|3a|3d|40)/gi
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)/i

/** RFC 9112 §3.2.2: a server must take absolute-form, whose authority counts in the place of Host. */
function originForm (request: IncomingMessage, url: string): void {
  const [start, authority] = ABSOLUTE_FORM.exec(url) ?? []
  // Whatever else it is, no route takes it.
  if (start === undefined || authority === undefined || !isHost(authority)) return
  const rest = url.slice(start.length)
  request.url = rest.charCodeAt(0) === SLASH ? rest : `/${rest}`
  request.headers.host = authority
  const { rawHeaders } = request
  let found = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() !== 'host') continue
    // A second one stays, and is refused as such.
    if (!found) rawHeaders[index + 1] = authority
    found = true
  }
  // HTTP/1.0 knows none.
  if (!found) rawHeaders.push('Host', authority)
}
