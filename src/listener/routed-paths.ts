import type { Server } from 'node:http'
import type { RoutedPaths } from '../message/request-target.js'

const known = new WeakMap<Server, RoutedPaths>()

const NONE: RoutedPaths = { isProxied: () => false, leadsElsewhere: () => false }

/** Says what the router of a server's app makes of paths. */
export function setRoutedPaths (server: Server, paths: RoutedPaths): void {
  known.set(server, paths)
}

export function routedPaths (server: Server): RoutedPaths {
  return known.get(server) ?? NONE
}
