import type { SrvRecord } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { OptionsInvalidError } from '../../errors.js'
import { withDefaults, type WithDefaults } from '../../options/defaults.js'
import { DnsOptions, type TargetOptions } from '../../options/index.js'
import { sourceBy, type Lists, type SourceContext, type TargetSource } from './source.js'

/** Milliseconds between two queries at least: records with a TTL of 0 would be asked for without end. */
const FLOOR = 1_000
/** How many responses without records are believed: one or two come while a server or an orchestrator restarts. */
const BELIEVED = 3
/** Milliseconds that a server has for its response, and how often it is asked. */
const LIMITS = { timeout: 2_000, tries: 2 }
/** What good responses without records are called: NXDOMAIN and NODATA. */
const EMPTY: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])
const GREATEST_WEIGHT = 1_000
const NAME = /^[\w-]+(?:\.[\w-]+)*\.?$/

type Query = WithDefaults<DnsOptions, 'type' | 'scheme' | 'refresh'>
type FoundTarget = Exclude<TargetOptions, string>
/** What a good response says. */
interface Found {
  targets: readonly FoundTarget[]
  /** Milliseconds for which it holds. */
  life: number
  /** Why there are no targets. */
  reason?: string
}

interface Addresses {
  addresses: readonly string[]
  /** Milliseconds for which they hold. */
  life: number
}

/** An SRV record and the addresses of the name in it. */
interface Service extends Addresses {
  name: string
  port: number
  priority: number
  weight: number
}

/**
 * The targets that the records of a name in the DNS give. The name is resolved again and again; there is a list when
 * the targets have changed. Neither failures nor one or two responses without records take targets away.
 *
 * @param floor Milliseconds from one query to the next at least, for tests.
 * @throws {OptionsInvalidError} for an invalid name or server address.
 */
export function dnsSource (options: DnsOptions, floor = FLOOR): TargetSource {
  const query = withDefaults(DnsOptions, options, ['type', 'scheme', 'refresh'])
  check(query)
  return sourceBy(context => listsOf(query, floor, context))
}

function check ({ name, servers = [] }: Query): void {
  const where = `Discovery by the DNS name '${name}'`
  if (isIP(name) !== 0) throw new OptionsInvalidError(where, 'it is an IP address; give it as the URL of a target')
  if (!NAME.test(name)) throw new OptionsInvalidError(where, "it is not a valid DNS name, such as app.internal; a port is given by the option 'port'")
  const wrong = servers.find(server => !isServer(server))
  if (wrong !== undefined) throw new OptionsInvalidError(where, `the server '${wrong}' is not an IP address with an optional port, such as 127.0.0.1:5353 or [::1]:5353`)
}

/** Node checks no port: 0 ends its process, and what is above 65535 becomes another one. */
function isServer (text: string): boolean {
  if (isIP(text) !== 0) return true
  const [, ipv6 = '', ipv4 = '', port = '53'] = /^(?:\[(.+)\]|([\d.]+))(?::(\d+))?$/.exec(text) ?? []
  return (isIPv6(ipv6) || isIPv4(ipv4)) && Number(port) > 0 && Number(port) <= 65_535
}

async function * listsOf (query: Query, floor: number, { signal, report }: SourceContext): Lists {
  const { name, type, refresh } = query
  const lookup = new Lookup(query, signal)
  let last: readonly TargetOptions[] | undefined
  /** Responses without records in a row, whatever failed in between. */
  let empty = 0
  while (!signal.aborted) {
    const found = await lookup.run().catch((error: Error) => error)
    if (signal.aborted) return
    let pause = floor
    if (found instanceof Error) {
      report(found)
      if (last !== undefined) pause = refresh
    } else if (found.targets.length === 0 && ++empty < BELIEVED) {
      if (last === undefined && empty === 1) report(new Error(`'${name}' has no ${type.toUpperCase()} records: ${found.reason}`))
    } else {
      if (found.targets.length > 0) empty = 0
      if (!isDeepStrictEqual(found.targets, last)) yield (last = found.targets)
      pause = Math.max(found.life, floor)
    }
    await wait(Math.min(pause, refresh), undefined, { signal, ref: false }).catch(() => {})
  }
}

/** Asks for the records of one name. */
class Lookup {
  readonly #query: Query
  readonly #signal: AbortSignal
  /** The addresses of the names in SRV records, as they were found last. */
  readonly #known = new Map<string, readonly string[]>()
  #resolver: Resolver

  constructor (query: Query, signal: AbortSignal) {
    this.#query = query
    this.#signal = signal
    this.#resolver = newResolver(query)
    signal.addEventListener('abort', () => this.#resolver.cancel(), { once: true })
  }

  /** @throws {Error} naming what could not be resolved, and why. */
  async run (): Promise<Found> {
    const { name, type } = this.#query
    try {
      return type === 'srv' ? await this.#findServices() : await this.#findAddresses(type)
    } catch (error) {
      const reason = codeOf(error)
      if (EMPTY.has(reason)) return { targets: [], life: Infinity, reason }
      // A resolver never reads again which servers the system has.
      this.#resolver = newResolver(this.#query)
      throw new Error(`the ${type.toUpperCase()} records of '${name}' could not be resolved: ${reason}`)
    }
  }

  async #findAddresses (type: 'a' | 'aaaa'): Promise<Found> {
    const { name, scheme, port = scheme === 'https' ? 443 : 80 } = this.#query
    const { addresses, life } = await this.#resolve(name, type)
    return { targets: inOrder(addresses.map(address => ({ url: urlOf(scheme, address, port), host: bare(name) }))), life }
  }

  async #findServices (): Promise<Found> {
    const { name, scheme } = this.#query
    const records = (await this.#ask(resolver => resolver.resolveSrv(name))).filter(({ name }) => bare(name) !== '')
    // RFC 2782: the name '.' says so.
    if (records.length === 0) return { targets: [], life: Infinity, reason: 'its record says that the service is not available' }
    const results = await Promise.allSettled(records.map(async record => ({ ...record, ...await this.#addressesOf(record) })))
    const services = results.flatMap(result => result.status === 'fulfilled' ? [result.value] : [])
    if (services.length === 0) throw (results[0] as PromiseRejectedResult).reason
    return { targets: inOrder(targetsOf(services, scheme)), life: Math.min(...services.map(({ life }) => life)) }
  }

  async #addressesOf ({ name, port }: SrvRecord): Promise<Addresses> {
    if (port === 0) throw new Error(`the record of '${name}' has port 0`)
    if (isIP(name) !== 0) return { addresses: [name], life: Infinity }
    if (!NAME.test(name)) throw new Error(`the record has '${name}', which is not a valid host name`)
    try {
      const found = await this.#resolve(name, 'a').catch((error: unknown) => {
        if (!EMPTY.has(codeOf(error))) throw error
        return this.#resolve(name, 'aaaa')
      })
      this.#known.set(name, found.addresses)
      return found
    } catch (error) {
      const known = this.#known.get(name)
      // What fails takes no target away, as long as its record is there.
      if (known !== undefined && !EMPTY.has(codeOf(error))) return { addresses: known, life: 0 }
      this.#known.delete(name)
      // Without the code, which would say that it is the service that is not there.
      throw new Error(`the addresses of '${name}': ${codeOf(error)}`)
    }
  }

  async #resolve (name: string, type: 'a' | 'aaaa'): Promise<Addresses> {
    const records = await this.#ask(resolver => type === 'a' ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true }))
    return { addresses: records.map(({ address }) => address), life: Math.min(...records.map(({ ttl }) => ttl)) * 1_000 }
  }

  /** After the end, there would be nobody to cancel the query. */
  async #ask<T> (question: (resolver: Resolver) => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted()
    return question(this.#resolver)
  }
}

function newResolver ({ servers }: Query): Resolver {
  const resolver = new Resolver(LIMITS)
  if (servers !== undefined) resolver.setServers(servers)
  return resolver
}

/** The code of what went wrong with a query, or the message of another error. */
function codeOf (error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}

/** A name without the dot that says that it is complete. */
function bare (name: string): string {
  return name.replace(/\.$/, '')
}

function urlOf (scheme: string, address: string, port: number): string {
  return `${scheme}://${isIPv6(address) ? `[${address}]` : address}:${port}`
}

/** Servers rotate their records. One that is there twice is one target, with the better priority. */
function inOrder (targets: readonly FoundTarget[]): FoundTarget[] {
  const byUrl = new Map<string, FoundTarget>()
  const sorted = targets.toSorted((one, other) => compare(one.url, other.url) || compare(one.priority ?? 0, other.priority ?? 0) ||
    compare(other.weight ?? 0, one.weight ?? 0) || compare(one.host ?? '', other.host ?? ''))
  for (const target of sorted) if (!byUrl.has(target.url)) byUrl.set(target.url, target)
  return [...byUrl.values()]
}

function compare<T extends string | number> (one: T, other: T): number {
  return one < other ? -1 : Number(one > other)
}

function targetsOf (services: readonly Service[], scheme: string): FoundTarget[] {
  return [...new Set(services.map(({ priority }) => priority))].flatMap(priority => {
    const peers = services.filter(service => service.priority === priority)
    const weights = weightsOf(peers)
    return peers.flatMap(({ name, port, addresses }, index) => addresses.map(address => {
      const target = { url: urlOf(scheme, address, port), weight: weights[index]!, priority }
      return isIP(name) === 0 ? { ...target, host: bare(name) } : target
    }))
  })
}

/**
 * The weight of each address of records with one priority. Weights of records are from 0 to 65535 and are shared by
 * their addresses; those of targets are whole numbers from 1 to 1000. Exact where that is possible.
 */
function weightsOf (services: readonly Service[]): number[] {
  const multiple = services.reduce((multiple, { addresses: { length } }) => multiple / gcd(multiple, length) * length, 1)
  const shares = services.map(({ weight, addresses }) => weight * (Number.isSafeInteger(multiple) ? multiple : 1) / addresses.length)
  const greatest = Math.max(...shares)
  if (shares.every(share => share === greatest)) return shares.map(() => 1)
  const unit = shares.reduce(gcd)
  const steps = greatest / unit
  // With 0, a target is to get next to nothing: the others get as much as they can.
  const stretch = steps > GREATEST_WEIGHT ? GREATEST_WEIGHT / steps : shares.includes(0) ? Math.floor(GREATEST_WEIGHT / steps) : 1
  return shares.map(share => Math.max(Math.round(share / unit * stretch), 1))
}

function gcd (one: number, other: number): number {
  return other === 0 ? one : gcd(other, one % other)
}
