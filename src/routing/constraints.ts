import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import { RouteConstraints } from '../options/index.js'
import { validated } from '../options/validate.js'

/*
 * Routing by host and by header, as one strategy of Fastify's router: it can only rank what it sees together. Fastify's own
 * `host`, which minds ports and case, stays for hosts that are given as it wants them.
 */

/** The name of the strategy. */
const STRATEGY = 'sluice'

/** Which routes of a URL match, as the bits of a number: the router's own form. */
type Matches = number

/** What a request must have to be one of a route. */
class Rule {
  readonly hosts: readonly string[]
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>

  /** Whether the route has constraints of other kinds beside these. */
  readonly hasOthers: boolean

  constructor ({ host = [], headers = {} }: RouteConstraints, hasOthers: boolean) {
    this.hasOthers = hasOthers
    this.hosts = [host].flat().map(pattern => pattern.toLowerCase().replace(/\.$/, ''))
    this.headers = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  }

  /** How well a request matches; undefined for not at all. The more of its host is named, the better, and then the more headers. */
  rank (host: string | undefined, headers: IncomingHttpHeaders): number | undefined {
    for (const [name, value] of this.headers) if (headers[name] !== value) return undefined
    if (this.hosts.length === 0) return this.headers.length
    const named = host === undefined ? 0 : Math.max(...this.hosts.map(pattern => namedBy(pattern, host)))
    return named === 0 ? undefined : named * 1_000 + this.headers.length
  }
}

/** How much of a host a pattern names, a name in full more than any wildcard; 0 where it is not its own. */
function namedBy (pattern: string, host: string): number {
  if (pattern === host) return 1_000
  return pattern.startsWith('*') && host.length >= pattern.length && host.endsWith(pattern.slice(1)) ? Math.min(pattern.length, 999) : 0
}

/** The host of a request in one form: no port, no case, and not the dot that may end a name. */
function hostnameOf (headers: IncomingHttpHeaders): string | undefined {
  const host = headers.host ?? headers[':authority'] as string | undefined
  return host?.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

/** The rules of the routes at one URL. The router makes it anew for each further route. */
class RuleStore {
  readonly #rules: Array<{ rule: Rule, matches: Matches }> = []

  /** Asked for the route of a request; and for what a rule has already, before `set()`. */
  get (asked: IncomingHttpHeaders | Rule): Matches {
    if (asked instanceof Rule) return 0
    const host = hostnameOf(asked)
    let found = 0
    let best = -1
    for (const { rule, matches } of this.#rules) {
      const rank = rule.hasOthers ? undefined : rule.rank(host, asked)
      if (rank === undefined || rank <= best) continue
      found = matches
      best = rank
    }
    // Whether one with further constraints, such as a version, matches these too, is the router's to decide.
    for (const { rule, matches } of this.#rules) {
      if (rule.hasOthers && (rule.rank(host, asked) ?? -1) >= best) found |= matches
    }
    return found
  }

  set (rule: Rule, matches: Matches): void {
    this.#rules.push({ rule, matches })
  }
}

const strategy = {
  name: STRATEGY,
  storage: () => new RuleStore(),
  deriveConstraint: ({ headers }: IncomingMessage): IncomingHttpHeaders => headers
}

/** Lets the routes of an app have constraints. */
export function addConstraints (app: FastifyInstance): void {
  // The router's types have handlers where it keeps numbers.
  if (!app.hasConstraintStrategy(STRATEGY)) app.addConstraintStrategy(strategy as never)
}

/** Constraints as a route of the gateway may have them: ours, and those of Fastify and of other plugins. */
export type GivenConstraints = RouteConstraints | NonNullable<RouteShorthandOptions['constraints']>

interface AnyConstraints {
  host?: string | string[] | RegExp
  headers?: Record<string, string>
  [name: string]: unknown
}

/**
 * Constraints as Fastify takes them.
 *
 * @throws {OptionsInvalidError} for an invalid host or header.
 */
export function constraintsFor (app: FastifyInstance, given: GivenConstraints, where: string): Record<string, unknown> {
  const { host, headers, ...others } = given as AnyConstraints
  const own = {
    ...host !== undefined && !isForFastify(host) && { host },
    ...headers !== undefined && !app.hasConstraintStrategy('headers') && { headers }
  }
  const left = {
    ...others,
    ...host !== undefined && !('host' in own) && { host },
    ...headers !== undefined && !('headers' in own) && { headers }
  }
  if (Object.keys(own).length === 0) return left
  const rule = new Rule(validated(RouteConstraints, own, `The constraints of ${where}`), Object.keys(left).length > 0)
  return rule.hosts.length === 0 && rule.headers.length === 0 ? left : { ...left, [STRATEGY]: rule }
}

/** What names a port, or is an expression, is compared as Fastify does. */
function isForFastify (host: unknown): boolean {
  return host instanceof RegExp || (typeof host === 'string' && /:\d+$/.test(host))
}

/** What tells the constraints of two routes apart. */
export function constraintsKey (given: GivenConstraints = {}): string {
  const { host = [], headers = {}, ...others } = given as AnyConstraints
  const hosts = host instanceof RegExp ? [String(host)] : [host].flat().map(name => name.toLowerCase()).sort()
  const rest = Object.entries(others).map(([name, value]) => `${name}: ${String(value)}`).sort()
  if (hosts.length === 0 && Object.keys(headers).length === 0 && rest.length === 0) return ''
  return JSON.stringify([hosts, Object.entries(headers).map(([name, value]) => `${name.toLowerCase()}: ${value}`).sort(), rest])
}

/** Constraints in words. */
export function constraintsText (given: GivenConstraints = {}): string | undefined {
  const { headers = {}, ...others } = given as AnyConstraints
  const parts = [...Object.entries(others), ...Object.entries(headers)].map(([name, value]) => `${name}: ${[value].flat().map(String).join(', ')}`)
  return parts.length === 0 ? undefined : parts.join('; ')
}
