import { ConfigInvalidError, TargetMalformedError } from '../errors.js'
import { nearest } from '../options/did-you-mean.js'
import { GatewayConfig, type RouteConfig } from '../options/index.js'
import { UpstreamRegistry } from '../upstreams/registry.js'
import { parseTarget, withScheme } from '../net/target-address.js'
import { constraintsKey } from '../routing/constraints.js'
import { listenerProblems } from './listeners.js'
import { discoveryFault } from '../upstreams/discovery/index.js'
import { mappingOf } from '../options/mapping.js'
import { problems, type Problem } from '../options/validate.js'
import { MessageRules } from '../options/message-rules.js'
import { messageRulesProblems } from '../policies/message-rules.js'
import { messageRulesIn } from './schema-files.js'
import type { Locate } from './places.js'

/** Of routes with constraints: a limit of find-my-way. */
const MOST_OF_A_URL = 31

/**
 * Everything wrong with a configuration: its shape, its targets, and what its routes refer to.
 *
 * @param openEnded Whether plugins may declare further upstreams, so that an unknown name is no error yet.
 */
export function configProblems (config: unknown, openEnded: boolean): Problem[] {
  const found = problems(GatewayConfig, config)
  const broken = new Set(found.map(({ path }) => path.join('\0')))
  const semantic = [...listenerProblems(mappingOf(config).listen), ...targetProblems(config), ...routeProblems(config, openEnded), ...messageProblems(config)]
  // What has the wrong type already need not be called malformed, too.
  return [...found, ...semantic.filter(({ path }) => !broken.has(path.join('\0')))]
}

/**
 * `config` itself, once it is known to be a valid configuration.
 *
 * @throws {ConfigInvalidError} with one line for every problem.
 */
export function checkedConfig (config: unknown, locate: Locate, openEnded: boolean): GatewayConfig {
  const found = configProblems(config, openEnded)
  if (found.length > 0) throw configError(found, locate)
  return config as GatewayConfig
}

/** One error for all problems, a line for each. */
export function configError (found: Problem[], locate: Locate): Error {
  return new ConfigInvalidError(found.map(({ path, message }) => `${locate(path)}: ${message}`).join('\n'))
}

function targetProblems (config: unknown): Problem[] {
  const found: Problem[] = []
  for (const [name, upstream] of Object.entries(mappingOf(mappingOf(config).upstreams))) {
    const { targets } = mappingOf(upstream)
    const path = ['upstreams', name, 'targets']
    for (const [index, target] of array(targets).entries()) {
      const { url, host } = typeof target === 'string' ? { url: target } : mappingOf(target)
      found.push(...originProblems(url, [...path, String(index), ...typeof target === 'string' ? [] : ['url']], host))
    }
    const fault = targets === undefined || typeof targets !== 'object' || Array.isArray(targets) ? undefined : discoveryFault(mappingOf(targets))
    if (fault !== undefined) found.push({ path, message: fault })
  }
  return found
}

function originProblems (url: unknown, path: string[], host?: unknown): Problem[] {
  if (typeof url !== 'string') return []
  try {
    parseTarget(url, typeof host === 'string' ? host : undefined)
    return []
  } catch (error) {
    if (!(error instanceof TargetMalformedError)) throw error
    return [{ path, message: error.message }]
  }
}

function routeProblems (config: unknown, openEnded: boolean): Problem[] {
  const found: Problem[] = []
  const declared = Object.keys(mappingOf(mappingOf(config).upstreams))
  const routes = array(mappingOf(config).routes).map(route => mappingOf(route) as Partial<RouteConfig>)
  for (const [index, route] of routes.entries()) {
    const path = ['routes', String(index)]
    for (const [upstream, place] of [[route.upstream, ['upstream']], [mappingOf(route.websocket).upstream, ['websocket', 'upstream']]] as const) {
      if (typeof upstream !== 'string' || upstream === '') continue
      if (UpstreamRegistry.isUrl(upstream)) found.push(...originProblems(upstream, [...path, ...place]))
      else if (!openEnded && !declared.includes(upstream)) found.push({ path: [...path, ...place], message: undeclared(upstream, declared) })
    }
    const twice = urls(route).find((url, place, all) => all.slice(0, place).some(other => shape(other) === shape(url)))
    if (twice !== undefined) found.push({ path: [...path, 'url'], message: `'${String(twice)}' is there twice; remove one` })
    const earlier = routes.slice(0, index).findIndex(other => collide(other, route))
    if (earlier !== -1) {
      const shapes = urls(routes[earlier]).map(shape)
      const url = urls(route).find(url => shapes.includes(shape(url)))
      const same = urls(routes[earlier])[shapes.indexOf(shape(url))]
      found.push({ path: [...path, 'url'], message: `'${String(url)}' is served by routes.${earlier} already${same === url ? '' : ` ('${String(same)}': names of parameters do not tell routes apart)`}; give them different methods or constraints, or remove one` })
    }
  }
  const byUrl = new Map<unknown, number>()
  for (const [index, route] of routes.entries()) {
    for (const url of urls(route)) {
      const count = (byUrl.get(url) ?? 0) + 1
      byUrl.set(url, count)
      if (count === MOST_OF_A_URL + 1 && route.constraints !== undefined) {
        const all = routes.filter(other => urls(other).includes(url)).length
        found.push({ path: ['routes', String(index), 'url'], message: `'${String(url)}' has ${all} routes; the router can tell ${MOST_OF_A_URL} of a URL apart. Give one route several hosts, or a wildcard.` })
      }
    }
  }
  return found
}

/** What shows only when a schema is compiled, which is done once. */
function messageProblems (config: unknown): Problem[] {
  return messageRulesIn(config).flatMap(({ path, rules }) => {
    // A path is read when the route is registered; those in a configuration file have been read by now.
    if (typeof rules.schema === 'string' || problems(MessageRules, rules).length > 0) return []
    return messageRulesProblems(rules as Parameters<typeof messageRulesProblems>[0]).map(problem => ({ ...problem, path: [...path, ...problem.path] }))
  })
}

function undeclared (upstream: string, declared: string[]): string {
  const suggestion = nearest(upstream, declared)
  // A target whose scheme has been left out: a name seldom has a colon, or is a number.
  const url = /:|^\d+$/.test(upstream) ? withScheme(upstream) : undefined
  const fix = suggestion !== undefined || url !== undefined
    ? `did you mean '${suggestion ?? url}'?`
    : `declare it under 'upstreams'${declared.length === 0 ? '' : `, or name one of ${declared.join(', ')}`}`
  return `upstream '${upstream}' is not declared; ${fix}`
}

function collide (one: Partial<RouteConfig>, other: Partial<RouteConfig>): boolean {
  const shapes = urls(other).map(shape)
  if (!urls(one).some(url => shapes.includes(shape(url))) || constraintsKey(one.constraints) !== constraintsKey(other.constraints)) return false
  if (one.method === undefined || other.method === undefined) return true
  const methods = methodNames(one.method)
  return methodNames(other.method).some(method => methods.includes(method))
}

function urls ({ url }: Partial<RouteConfig> = {}): unknown[] {
  return url === undefined ? [] : [url].flat()
}

/** A URL pattern without the names of its parameters, as the router compares it. */
function shape (url: unknown): string {
  return String(url).replace(/(::)|:\w+/g, (_, colon: string | undefined) => colon ?? ':')
}

/** In capitals, as Fastify compares them; the shape has not been checked yet. */
function methodNames (method: unknown): string[] {
  return [method].flat().map(name => String(name).toUpperCase())
}

function array (value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
