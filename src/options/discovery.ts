import { Type } from '@sinclair/typebox'
import { closed, milliseconds, text } from './units.js'
import type * as types from './types.js'

const httpUrl = (description: string) => text('^https?://', 'must begin with http:// or https://', { description })
const scheme = Type.Optional(Type.Union([Type.Literal('http'), Type.Literal('https')], {
  default: 'http', description: "How the targets are met. With 'https', their certificates must bear the name that was resolved."
}))

/** Targets from the records of a name in the DNS. */
export const DnsOptions = Type.Object({
  name: Type.String({ minLength: 1, description: 'Name that is resolved; with type srv, such as _http._tcp.app.internal.' }),
  type: Type.Optional(Type.Union([Type.Literal('a'), Type.Literal('aaaa'), Type.Literal('srv')], {
    default: 'a', description: "Records that are asked for. Each address is a target. 'srv' also gives ports, weights and priorities."
  })),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535, description: 'Port of the targets; with srv, each record has its own. Default: that of the scheme.' })),
  scheme,
  refresh: Type.Optional(milliseconds(5_000, 'Longest time from one query to the next; it is sooner where the records live shorter, but not before a second is over.')),
  servers: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    minItems: 1, description: 'DNS servers that are asked, as addresses with an optional port, such as 127.0.0.1:5353. Default: those of the system.'
  }))
}, { ...closed, description: 'Targets from the records of a name in the DNS.' })
export type DnsOptions = types.DnsOptions

/** Targets from a JSON document at a URL. */
export const HttpTargetsOptions = Type.Object({
  url: httpUrl('URL of a JSON array of targets, as `targets` has it.'),
  refresh: Type.Optional(milliseconds(5_000, 'Time from one request to the next; an ETag spares the transfer of what has not changed.')),
  headers: Type.Optional(Type.Record(Type.String({ minLength: 1 }), Type.String(), { description: 'Further headers of the request, such as Authorization.' }))
}, { ...closed, description: 'Targets from a JSON document at a URL.' })
export type HttpTargetsOptions = types.HttpTargetsOptions

/** Targets from the EndpointSlices of a Kubernetes Service. */
export const KubernetesOptions = Type.Object({
  service: Type.String({ minLength: 1, description: 'Name of the Service.' }),
  namespace: Type.Optional(Type.String({ minLength: 1, description: "Its namespace. Default: that of the gateway's service account." })),
  port: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 65_535 }), Type.String({ minLength: 1 })], {
    description: 'Port of the endpoints, by name or number. Default: the only one.'
  })),
  scheme: Type.Optional(Type.Union([Type.Literal('http'), Type.Literal('https')], {
    description: "How the targets are met. Default: what appProtocol of the port says ('https', 'kubernetes.io/wss'), and http otherwise."
  })),
  api: Type.Optional(httpUrl('URL of the API server. Default: that of the cluster, from KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.')),
  serviceAccount: Type.Optional(Type.String({
    minLength: 1,
    default: '/var/run/secrets/kubernetes.io/serviceaccount',
    description: 'Folder with the files token, ca.crt and namespace of a service account that may list and watch endpointslices.discovery.k8s.io.'
  }))
}, { ...closed, description: 'Targets from the EndpointSlices of a Kubernetes Service.' })
export type KubernetesOptions = types.KubernetesOptions

/** Where targets are found that change: exactly one of these. */
export const DiscoveryOptions = Type.Object({
  dns: Type.Optional(DnsOptions),
  file: Type.Optional(Type.String({ minLength: 1, description: 'Path of a JSON file with an array of targets, as `targets` has it. It is watched.' })),
  http: Type.Optional(HttpTargetsOptions),
  kubernetes: Type.Optional(KubernetesOptions)
}, { ...closed, description: 'Targets that are found while the gateway runs: one of dns, file, http and kubernetes. The last good list is kept when they cannot be determined.' })
export type DiscoveryOptions = types.DiscoveryOptions
