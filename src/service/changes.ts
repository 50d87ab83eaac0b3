import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig, RouteConfig } from '../options/index.js'

/** What a reload has changed: names, or URLs. */
export interface Difference {
  added: string[]
  removed: string[]
  changed: string[]
}

/** What a reload has done. */
export interface Reloaded {
  routes: Difference
  upstreams: Difference
  /** How many sessions end because their route or target is gone. */
  sessionsEnded: number
}

/** What tells two configurations apart. */
export function differences (before: GatewayConfig, after: GatewayConfig): Pick<Reloaded, 'routes' | 'upstreams'> {
  return {
    routes: difference(routesByUrl(before), routesByUrl(after)),
    upstreams: difference(new Map(Object.entries(before.upstreams ?? {})), new Map(Object.entries(after.upstreams ?? {})))
  }
}

/** Routes that differ only in their methods are listed together. */
function routesByUrl ({ routes = [] }: GatewayConfig): Map<string, RouteConfig[]> {
  const found = new Map<string, RouteConfig[]>()
  for (const route of routes) {
    for (const url of [route.url].flat()) found.set(url, [...found.get(url) ?? [], route])
  }
  return found
}

function difference (before: Map<string, unknown>, after: Map<string, unknown>): Difference {
  return {
    added: [...after.keys()].filter(name => !before.has(name)),
    removed: [...before.keys()].filter(name => !after.has(name)),
    changed: [...after.keys()].filter(name => before.has(name) && !isDeepStrictEqual(before.get(name), after.get(name)))
  }
}

/** One line about a reload, for the caller. */
export function summaryOf ({ routes, upstreams, sessionsEnded }: Reloaded): string {
  const part = (name: string, { added, removed, changed }: Difference): string[] => [
    ...added.length > 0 ? [`${added.length} ${name}(s) added`] : [],
    ...removed.length > 0 ? [`${removed.length} ${name}(s) removed`] : [],
    ...changed.length > 0 ? [`${changed.length} ${name}(s) changed`] : []
  ]
  const parts = [...part('route', routes), ...part('upstream', upstreams)]
  const sessions = sessionsEnded > 0 ? `; ${sessionsEnded} WebSocket session(s) end` : ''
  return `${parts.length === 0 ? 'no route or upstream has changed' : parts.join(', ')}${sessions}`
}
