import { isIPv6 } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import type { WithDefaults } from '../../options/defaults.js'
import type { KubernetesOptions, TargetOptions } from '../../options/index.js'

/** In the order in which they are used: where a Service has two of them, the endpoints of both are the same pods. */
const FAMILIES = ['IPv4', 'IPv6', 'FQDN']
/** Values of appProtocol. */
const SECURE: ReadonlySet<unknown> = new Set(['https', 'kubernetes.io/wss'])

/** Which endpoints are asked for. */
export type SliceQuery = WithDefaults<KubernetesOptions, 'serviceAccount'>
type FoundTarget = Exclude<TargetOptions, string>

/** Go writes null for what is not there. */
export const nullable = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]))
export const Metadata = Type.Object({ name: Type.String(), resourceVersion: Type.String() })

/* What is used of discovery.k8s.io/v1. */
const Endpoint = Type.Object({
  addresses: Type.Array(Type.String()),
  conditions: nullable(Type.Object({ ready: nullable(Type.Boolean()) })),
  targetRef: nullable(Type.Object({ kind: nullable(Type.String()), name: nullable(Type.String()) })),
  zone: nullable(Type.String())
})
const Port = Type.Object({
  name: nullable(Type.String()),
  port: nullable(Type.Integer()),
  protocol: nullable(Type.String()),
  appProtocol: nullable(Type.String())
})
export const Slice = Type.Object({
  metadata: Metadata,
  addressType: Type.String(),
  endpoints: nullable(Type.Array(Endpoint)),
  ports: nullable(Type.Array(Port))
})
export type Slice = Static<typeof Slice>
type Port = Static<typeof Port>
/** The targets that EndpointSlices give. */
export class SliceTargets {
  readonly #query: SliceQuery
  readonly #report: (error: Error) => void
  #last: readonly TargetOptions[] | undefined
  /** Is reported once. */
  #fault: string | undefined

  constructor (query: SliceQuery, report: (error: Error) => void) {
    this.#query = query
    this.#report = report
  }

  /**
   * They, if they have changed.
   *
   * @param name What has the slices, for messages.
   */
  changed (slices: readonly Slice[], name: string, namespace: string): readonly TargetOptions[] | undefined {
    const family = familyOf(slices)
    const fault = portFault(family.flatMap(tcpPorts), this.#query)
    if (fault !== undefined && fault !== this.#fault) this.#report(new Error(`${name} ${fault}`))
    this.#fault = fault
    if (fault !== undefined) return undefined
    const targets = targetsOf(family, this.#query, namespace)
    return isDeepStrictEqual(targets, this.#last) ? undefined : (this.#last = targets)
  }
}

/** The slices that are used, in an order of their own: the server has none. */
function familyOf (slices: readonly Slice[]): Slice[] {
  const family = FAMILIES.find(family => slices.some(({ addressType, endpoints }) => addressType === family && (endpoints ?? []).length > 0))
  return slices.filter(({ addressType }) => addressType === family).sort((one, other) => compare(one.metadata.name, other.metadata.name))
}

function tcpPorts ({ ports }: Slice): Port[] {
  return (ports ?? []).filter(({ protocol, port }) => (protocol ?? 'TCP') === 'TCP' && port != null)
}

/** Whether it is the port that is asked for; where none is, there is only one. */
function isChosen ({ name, port }: Port, { port: asked }: SliceQuery): boolean {
  return asked === undefined || name === asked || port === Number(asked)
}

/** Why no port can be chosen. None at all is none that is ready. */
function portFault (ports: readonly Port[], query: SliceQuery): string | undefined {
  const known = new Map(ports.map(({ name, port }) => [name ?? '', `${name || 'one without a name'} (${port})`]))
  const list = [...known.values()].sort().join(', ')
  if (query.port === undefined) return known.size > 1 ? `has several TCP ports; choose one with 'port': ${list}` : undefined
  return known.size > 0 && !ports.some(port => isChosen(port, query)) ? `has no TCP port '${query.port}'; it has ${list}` : undefined
}

function targetsOf (slices: readonly Slice[], query: SliceQuery, namespace: string): FoundTarget[] {
  const found = new Map<string, FoundTarget>()
  for (const slice of slices) {
    const ports = tcpPorts(slice).filter(port => isChosen(port, query))
    for (const target of ports.flatMap(port => targetsAt(slice, port, query, namespace))) {
      // While an endpoint moves from one slice to another, it is in both.
      const place = target.url.slice(target.url.indexOf(':'))
      if (!found.has(place)) found.set(place, target)
    }
  }
  return [...found.values()].sort((one, other) => compare(one.url, other.url))
}

/** The endpoints of a slice that are ready, which is all that are not said to be otherwise. */
function targetsAt ({ addressType, endpoints }: Slice, { port, appProtocol }: Port, query: SliceQuery, namespace: string): FoundTarget[] {
  const { service, scheme = SECURE.has(appProtocol) ? 'https' : 'http' } = query
  const host = scheme === 'https' && addressType !== 'FQDN' ? { host: `${service}.${namespace}.svc` } : {}
  return (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).flatMap(({ addresses, targetRef, zone }) => {
    // All of them lead to the same.
    const [address] = addresses
    if (address === undefined) return []
    const labels = {
      ...((targetRef?.kind ?? 'Pod') === 'Pod' && targetRef?.name && { pod: targetRef.name }),
      ...(zone && { zone })
    }
    return { url: `${scheme}://${isIPv6(address) ? `[${address}]` : address}:${port}`, ...host, ...(Object.keys(labels).length > 0 && { labels }) }
  })
}

function compare (one: string, other: string): number {
  return one < other ? -1 : Number(one > other)
}
