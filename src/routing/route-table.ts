import type { Server } from 'node:http'
import type { RouteOptions } from 'fastify'
import findMyWay, { type HTTPMethod } from 'find-my-way'
import { PathInvalidError } from '../errors.js'
import { setRoutedPaths } from '../listener/routed-paths.js'
import { hasExpression, withoutExpressions } from './route-pattern.js'
import { pathEnd, readingsOf } from '../message/path-readings.js'
import { withoutBadEscapes, type RoutedPaths } from '../message/request-target.js'

/** What the table needs to know of the options of the app's router. */
export interface RouterOptions {
  ignoreTrailingSlash?: boolean
  ignoreDuplicateSlashes?: boolean
  maxParamLength?: number
}

/** One place in the router: the patterns of the routes that stand there, which differ in case alone. */
type Place = Set<string>

/** What a path has that can be read in more than one way, another case included; anything else is not looked at any further. */
const UNUSUAL = /[%\\;A-Z]|\/\//

const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/

const tables = new WeakMap<Server, RouteTable>()

/**
 * The URL patterns of all routes of an app, to ask which of them another spelling of a path would reach. Fastify has
 * no way to ask its router, so this is a second one, of the same library. It minds neither case nor constraints nor
 * the length of parameters: a target may not, either. It is made when a path first needs it.
 */
export class RouteTable implements RoutedPaths {
  readonly #routes: Array<{ method: string, url: string, hasSlash: () => boolean }> = []
  readonly #proxied = new Set<string>()
  /** Those of which the gateway proxies the handshakes alone. */
  readonly #passing = new Set<string>()
  #options: RouterOptions = {}
  #router: findMyWay.Instance<findMyWay.HTTPVersion.V1> | undefined
  /** For paths with parameters that are too long for the expressions of routes. */
  #looseRouter: findMyWay.Instance<findMyWay.HTTPVersion.V1> | undefined
  #hasUpperCase = false
  #hasExpressions = false

  /** That of a server. */
  static of (server: Server): RouteTable {
    let table = tables.get(server)
    if (table === undefined) {
      tables.set(server, table = new RouteTable())
      setRoutedPaths(server, table)
    }
    return table
  }

  /** Takes over the options of the app's router. */
  configure (options: RouterOptions): void {
    this.#options = options
    this.#router = this.#looseRouter = undefined
  }

  /**
   * Adds a route of the app.
   *
   * @param hasSlash Whether the app also has a route at this URL with a trailing slash, for which no onRoute hook runs.
   */
  add ({ method, url }: Pick<RouteOptions, 'method' | 'url'>, hasSlash: (method: string) => boolean = () => false): void {
    for (const one of [method].flat()) {
      const name = one.toUpperCase()
      this.#routes.push({ method: name, url, hasSlash: () => hasSlash(name) })
    }
    if (/[A-Z]/.test(url)) this.#hasUpperCase = true
    if (hasExpression(url)) this.#hasExpressions = true
    this.#router = this.#looseRouter = undefined
  }

  /** Marks a route as one that sends its requests to a target. */
  addProxied (url: string): void {
    this.#proxied.add(url)
  }

  /** Marks a route as one whose handshakes go to a target, and whose requests are another plugin's. */
  addPassing (url: string): void {
    this.#passing.add(url)
  }

  /** Whether the route that a path would reach, however it is spelt, is proxied. */
  isProxied (method: string, path: string, isHandshake: boolean): boolean {
    const place = this.#find(method, path)
    return place !== undefined && [...place].some(url => this.#proxied.has(url) || (isHandshake && this.#passing.has(url)))
  }

  /** Whether another spelling of a path leads to a proxied route that this one does not lead to. */
  leadsElsewhere (method: string, path: string, other: string, isHandshake: boolean): boolean {
    return this.isProxied(method, other, isHandshake) && this.#find(method, path) !== this.#find(method, other)
  }

  /**
   * Refuses a path that a target might read as that of another route, whose hooks have not seen the request.
   *
   * @param matched The URL pattern of the route that the router has chosen; only asked for where it matters.
   * @throws {PathInvalidError} when one of the readings belongs to another route.
   */
  check (method: string, target: string, matched: () => string): void {
    if (!this.#hasUpperCase && target.length <= (this.#options.maxParamLength ?? 100) && !UNUSUAL.test(target)) return
    const path = target.slice(0, pathEnd(target))
    const readings = readingsOf(path)
    if (readings === undefined) throw new PathInvalidError('it can be read in too many ways')
    const route = matched()
    for (const reading of readings) {
      // Such as '/x/..%00', of which the path as it stands shows none.
      if (DOT_SEGMENT.test(reading)) throw new PathInvalidError('it has dot segments')
      if (!this.#isOf(route, method, reading) || (method === 'HEAD' && !this.#isOf(route, 'GET', reading))) {
        throw new PathInvalidError('read in another way, it belongs to another route')
      }
    }
  }

  #isOf (route: string, method: string, path: string): boolean {
    const place = this.#find(method, path)
    return place === undefined || place.has(route)
  }

  #find (method: string, path: string): Place | undefined {
    // What is left of a reading may be no path at all, and what is no UTF-8 is text to it.
    const found = path.startsWith('/') ? this.#routerFor(path).find(method as HTTPMethod, withoutBadEscapes(path)) : null
    return found?.store instanceof Set ? found.store as Place : undefined
  }

  /**
   * An expression in a URL may backtrack. The app's router gives none more than `maxParamLength` characters; what is
   * longer counts as a match here, as its target may take it for one.
   */
  #routerFor (path: string): findMyWay.Instance<findMyWay.HTTPVersion.V1> {
    if (this.#hasExpressions && hasSegmentBeyond(path, this.#options.maxParamLength ?? 100)) {
      this.#looseRouter ??= this.#makeRouter(withoutExpressions)
      return this.#looseRouter
    }
    this.#router ??= this.#makeRouter(url => url)
    return this.#router
  }

  #makeRouter (patternOf: (url: string) => string): findMyWay.Instance<findMyWay.HTTPVersion.V1> {
    const { ignoreTrailingSlash = false, ignoreDuplicateSlashes = false } = this.#options
    const router = findMyWay({
      ignoreTrailingSlash,
      ignoreDuplicateSlashes,
      caseSensitive: false,
      allowUnsafeRegex: true,
      // A parameter may be as long as its target wants it.
      maxParamLength: Number.MAX_SAFE_INTEGER
    })
    const places = new Map<string, Place>()
    const put = (method: string, pattern: string, url: string): void => {
      const key = `${method} ${pattern.toLowerCase()}`
      const known = places.get(key)
      if (known !== undefined) {
        known.add(url)
        return
      }
      const place: Place = new Set([url])
      try {
        router.on(method as HTTPMethod, pattern, () => {}, place)
        places.set(key, place)
      } catch {
        // It is there under another name, as '/:a' is '/:b', or '/x/' is '/x' where trailing slashes do not count.
        const found = router.find(method as HTTPMethod, pattern.toLowerCase())
        if (found?.store instanceof Set) (found.store as Place).add(url)
      }
    }
    for (const { method, url, hasSlash } of this.#routes) {
      put(method, patternOf(url), url)
      if (hasSlash()) put(method, `${patternOf(url)}/`, url)
    }
    return router
  }
}

function hasSegmentBeyond (path: string, length: number): boolean {
  for (let start = 0; path.length - start > length;) {
    const end = path.indexOf('/', start)
    if ((end === -1 ? path.length : end) - start > length) return true
    if (end === -1) return false
    start = end + 1
  }
  return false
}
