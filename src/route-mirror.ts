import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import type { FastifyInstance, HTTPMethods, RouteOptions } from 'fastify'
import findMyWay, { type Config, type HTTPVersion } from 'find-my-way'

/** Under this key, a proxied route's config holds what serves its requests for WebSockets. */
export const HANDSHAKE = Symbol('sluice.handshake')

/** A URL pattern of the app. Routes that differ in their constraints or parameter names alone share one. */
interface Place {
  urls: Set<string>
  /** Whether requests to it are, or may be, forwarded. */
  proxied: boolean
}

/** Its types lack one. */
type RouterOptions = Config<HTTPVersion.V1> & { useSemicolonDelimiter?: boolean }
type Router = ReturnType<typeof findMyWay<HTTPVersion.V1>>
interface SeenRoute { methods: string[], url: string, same: string, proxied: boolean }

const mirrors = new WeakMap<Server, RouteMirror>()
const seen = new WeakMap<Server, WeakSet<RouteOptions>>()

/**
 * The routes of an app in routers of our own, since Fastify does not tell which route a path would have.
 *
 * Constraints are left out: a reading of a path counts as another route's where that has another URL pattern,
 * whatever host or version it is for.
 */
export class RouteMirror {
  readonly #routes: SeenRoute[] = []
  #routers: { asDeclared: Router, anyCase: Router } | undefined
  #options: RouterOptions = {}
  /** Whether a path of small letters may be another one's in a target that minds no case. */
  hasCapitals = false
  /** A parameter that is longer is passed over by the router of the app. */
  maxParamLength = 100
  caseSensitive = true

  static of (server: Server): RouteMirror {
    let mirror = mirrors.get(server)
    if (mirror === undefined) {
      mirror = new RouteMirror()
      mirrors.set(server, mirror)
    }
    return mirror
  }

  /** Takes over how the app's router reads paths. */
  configure ({ initialConfig }: FastifyInstance): void {
    const config = initialConfig as RouterOptions & { routerOptions?: RouterOptions }
    // Fastify 5 knows them in both places.
    const option = <Name extends keyof RouterOptions>(name: Name): RouterOptions[Name] => config.routerOptions?.[name] ?? config[name]
    this.maxParamLength = option('maxParamLength') ?? 100
    this.caseSensitive = option('caseSensitive') ?? true
    this.#options = {
      ignoreTrailingSlash: option('ignoreTrailingSlash') ?? false,
      ignoreDuplicateSlashes: option('ignoreDuplicateSlashes') ?? false,
      useSemicolonDelimiter: option('useSemicolonDelimiter') ?? false,
      allowUnsafeRegex: true,
      maxParamLength: 2 ** 30
    }
    this.#routers = undefined
  }

  add ({ method, url, routePath, prefix, prefixTrailingSlash, config }: RouteOptions & { routePath: string, prefix: string }): void {
    const proxied = config !== undefined && (HANDSHAKE in config || config.passthrough !== undefined)
    const methods = [method].flat()
    this.#routes.push({ methods, url, same: url, proxied })
    // Fastify registers '/prefix/' beside '/prefix' without telling anybody.
    if (routePath === '' && prefix !== '' && prefixTrailingSlash !== 'no-slash' && prefixTrailingSlash !== 'slash') {
      this.#routes.push({ methods, url: `${url}/`, same: url, proxied })
    }
    this.hasCapitals ||= /[A-Z]/.test(url.replace(/:\w+(?:\([^/]*\))?/g, ''))
    this.#routers = undefined
  }

  /** The place that a path has as it stands; undefined for none. */
  find (method: string, path: string): Place | undefined {
    return lookup(this.#built().asDeclared, method, path)
  }

  /** The place that a path has for a target that minds no case. */
  findAnyCase (method: string, path: string): Place | undefined {
    return lookup(this.#built().anyCase, method, path)
  }

  #built (): { asDeclared: Router, anyCase: Router } {
    // At the first path that needs it: nearly all requests need none.
    return this.#routers ??= {
      asDeclared: this.#router(this.caseSensitive),
      anyCase: this.#router(false)
    }
  }

  #router (caseSensitive: boolean): Router {
    const router = findMyWay({ ...this.#options, caseSensitive })
    for (const { methods, url, same, proxied } of this.#routes) {
      for (const method of methods as HTTPMethods[]) {
        const place: Place = { urls: new Set([same]), proxied }
        try {
          router.on(method as never, url, unused, place)
        } catch {
          const before = router.findRoute(method as never, url)?.store as Place | undefined
          before?.urls.add(same)
          if (before !== undefined) before.proxied &&= proxied
        }
      }
    }
    return router
  }
}

function unused (): void {}

function lookup (router: Router, method: string, path: string): Place | undefined {
  return router.find(method as never, path)?.store as Place | undefined
}

function lookAtRoute (this: FastifyInstance, route: RouteOptions): void {
  let known = seen.get(this.server)
  if (known === undefined) seen.set(this.server, known = new WeakSet())
  if (known.has(route)) return
  known.add(route)
  RouteMirror.of(this.server).add(route as RouteOptions & { routePath: string, prefix: string })
}

/**
 * The mirror of an app, which sees its further routes too. As for `config.passthrough` (opt-in.ts), routes from
 * before this call are known where the app was made after this module was loaded.
 */
export function mirrorOf (app: FastifyInstance): RouteMirror {
  const mirror = RouteMirror.of(app.server)
  mirror.configure(app)
  app.addHook('onRoute', lookAtRoute)
  return mirror
}

subscribe('fastify.initialization', message => {
  (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', lookAtRoute)
})
