import { ConfigInvalidError } from '../errors.js'
import type { GatewayConfig, RouteConfig, UpstreamConfig } from '../options/index.js'
import type { UpstreamControl } from '../upstreams/control.js'
import type { Reloaded } from './changes.js'

/** Puts a changed configuration in force. What `edit` throws leaves it as it was. */
export type Edit = (edit: (config: GatewayConfig) => GatewayConfig) => Promise<Reloaded>

/** The routes of a gateway's configuration. Each change is a reload with that change alone. */
export interface GatewayRoutes {
  /** @throws {ConfigInvalidError} for a route that is not valid, or collides with another one. */
  add (route: RouteConfig): Promise<Reloaded>
  /**
   * Puts another route in the place of that with a URL.
   *
   * @param url As the configuration has it: one of the route's URLs.
   * @throws {ConfigInvalidError} for a URL that no route has, and as `add` does.
   */
  replace (url: string, route: RouteConfig): Promise<Reloaded>
  /** @throws {ConfigInvalidError} for a URL that no route has. */
  remove (url: string): Promise<Reloaded>
}

/** The upstreams of a gateway's configuration. */
export interface GatewayUpstreams {
  /** The upstream as it is now, to be changed while it runs; a reload makes it what the configuration says. */
  get (name: string): UpstreamControl | undefined
  /** Declares an upstream, or changes one. @throws {ConfigInvalidError} for options that are not valid. */
  set (name: string, options: UpstreamConfig): Promise<Reloaded>
  /** @throws {ConfigInvalidError} for a name that the configuration does not have, or that a route uses. */
  remove (name: string): Promise<Reloaded>
}

export function routesOf (change: Edit): GatewayRoutes {
  return {
    add: route => change(config => ({ ...config, routes: [...config.routes ?? [], route] })),
    replace: (url, route) => change(config => {
      const index = placeOf(config, url)
      return { ...config, routes: config.routes!.map((one, at) => at === index ? route : one) }
    }),
    remove: url => change(config => {
      const index = placeOf(config, url)
      return { ...config, routes: config.routes!.filter((_route, at) => at !== index) }
    })
  }
}

export function upstreamsOf (running: { upstream (name: string): UpstreamControl | undefined }, change: Edit): GatewayUpstreams {
  return {
    get: name => running.upstream(name),
    set: (name, options) => change(config => ({ ...config, upstreams: { ...config.upstreams, [name]: options } })),
    remove: name => change(config => {
      const { [name]: removed, ...others } = config.upstreams ?? {}
      if (removed === undefined) throw new ConfigInvalidError(`There is no upstream '${name}' in the configuration to remove.`)
      return { ...config, upstreams: others }
    })
  }
}

function placeOf ({ routes = [] }: GatewayConfig, url: string): number {
  const index = routes.findIndex(route => [route.url].flat().includes(url))
  if (index === -1) throw new ConfigInvalidError(`There is no route '${url}' in the configuration.`)
  return index
}
