import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { collectDefaultMetrics, Registry, type Metric, type OpenMetricsContentType, type PrometheusContentType } from 'prom-client'
import type { UpstreamControl } from '../upstreams/control.js'
import type { WebSocketSession } from '../types.js'
import type { Counters, RouteCounts } from './counters.js'
import type { Aggregator, FamilyJson, Kind, Labels, Sample } from './family.js'
import type { Histogram } from './histogram.js'

/*
 * What the gateway counts, for Prometheus. prom-client formats and collects it and has no part in the counting: each
 * family below reads plain numbers when somebody asks. Its successor needs Node 22, and would change this file alone.
 */

/** What is measured: `app.gateway`. */
export interface MeasuredGateway {
  readonly counters: Counters
  readonly sessions: { list (): Array<WebSocketSession & { readonly firstUpstream?: string }> }
  readonly upstreams: { list (): UpstreamControl[] }
}

/** A registry of prom-client, of either format. */
export type MetricsRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>

/** A family of metrics, as prom-client's registry asks for it. */
class Family {
  /** A registry of OpenMetrics takes `_total` away from it. */
  name: string
  readonly help: string
  readonly type: Kind
  /** How prom-client makes one of those of several processes. */
  readonly aggregator: Aggregator
  readonly #read: () => Sample[] | Promise<Sample[]>

  constructor (name: string, type: Kind, help: string, read: () => Sample[] | Promise<Sample[]>, aggregator: Aggregator = 'sum') {
    this.aggregator = aggregator
    this.name = name
    this.type = type
    this.help = help
    this.#read = read
  }

  async get (): Promise<FamilyJson> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: await this.#read() }
  }

  /** The numbers are the gateway's own, and go on. */
  reset (): void {}
}

/** What all families of one collection are read from. */
interface Snapshot {
  routes: RouteCounts[]
  /** What open sessions have carried so far, by route and upstream. */
  live: Map<RouteCounts, { fromClients: Carried, fromTargets: Carried }>
  upstreams: UpstreamControl[]
}

interface Carried { frames: number, messages: number, bytes: number, stalled: number }

const nothing = (): Carried => ({ frames: 0, messages: 0, bytes: 0, stalled: 0 })

function snapshotOf ({ counters, sessions, upstreams }: MeasuredGateway): Snapshot {
  const live: Snapshot['live'] = new Map()
  for (const { route, upstream, firstUpstream = upstream, fromClient, fromTarget } of sessions.list()) {
    const counts = counters.of(route, firstUpstream)
    let carried = live.get(counts)
    if (carried === undefined) live.set(counts, carried = { fromClients: nothing(), fromTargets: nothing() })
    add(carried.fromClients, fromClient)
    add(carried.fromTargets, fromTarget)
  }
  return { routes: counters.routes, live, upstreams: upstreams.list() }
}

function add (sum: Carried, { frames, messages, bytes, stalled }: Carried): void {
  sum.frames += frames
  sum.messages += messages
  sum.bytes += bytes
  sum.stalled += stalled
}

/**
 * Adds the gateway's metrics to a registry of prom-client, of which `import { metrics } from 'sluice/metrics'` makes one
 * if none is given.
 *
 * @param gateway `app.gateway`, or a function that gives it, where it changes.
 * @param options.registry Default: a new one.
 * @param options.process Whether the metrics of the process and of Node.js are added, too. Default: true for a new
 *   registry, false otherwise.
 * @returns The registry, whose `metrics()` is the text for Prometheus.
 * @throws {Error} if the registry has metrics of these names already.
 */
export function metrics<R extends MetricsRegistry = Registry<PrometheusContentType>> (
  gateway: MeasuredGateway | (() => MeasuredGateway), { registry, process = registry === undefined }: { registry?: R, process?: boolean } = {}
): R {
  const measured = typeof gateway === 'function' ? gateway : () => gateway
  const target = registry ?? new Registry() as R
  for (const family of families(measured)) register(target, family)
  if (process) for (const family of copiesOf(processMetrics())) register(target, family)
  return target
}

let ofProcess: Registry | undefined

/** The metrics of the process and of Node.js. They measure from their making on and cannot be stopped, so they are made once. */
function processMetrics (): Registry {
  if (ofProcess === undefined) {
    ofProcess = new Registry()
    collectDefaultMetrics({ register: ofProcess })
    // Gauges by the names of counters, which promtool complains of. The same numbers are in those by type.
    const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']
    // They look at each connection: 3 ms with 10,000 sessions. Node has replaced them by its active resources.
    const slow = ['nodejs_active_handles', 'nodejs_active_requests']
    // It reads a folder of a file for each descriptor, and nothing else happens meanwhile: 16 ms with 10,000 sessions.
    for (const name of [...misnamed, ...slow, 'process_open_fds']) ofProcess.removeSingleMetric(name)
    if (existsSync(DESCRIPTORS)) register(ofProcess, new Family('process_open_fds', 'gauge', 'Number of open file descriptors.', async () => [{ labels: {}, value: await openDescriptors() }]))
  }
  return ofProcess
}

/** Of Linux. */
const DESCRIPTORS = '/proc/self/fd'

/** From Linux 6.2 on, the size of the folder is their number; before, it is 0. */
async function openDescriptors (): Promise<number> {
  const { size } = await stat(DESCRIPTORS)
  return size > 0 ? size : (await readdir(DESCRIPTORS)).length
}

/** What a registry has, for another one: a registry of OpenMetrics changes the names of what it has. */
function copiesOf (registry: Registry): Family[] {
  return (registry.getMetricsAsArray() as unknown as Family[]).map(metric => new Family(metric.name, metric.type, metric.help, async () => (await metric.get()).values, metric.aggregator))
}

/** A registry with the same metrics in the format of OpenMetrics. */
export function openMetricsOf (registry: Registry): Registry<OpenMetricsContentType> {
  const copy = new Registry<OpenMetricsContentType>()
  copy.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  for (const family of copiesOf(registry)) register(copy, family)
  return copy
}

function register (registry: MetricsRegistry, family: Family): void {
  // A registry takes whatever has a name, a type and get().
  registry.registerMetric(family as unknown as Metric)
}

/** What all of them are read from, once for those that are read together. */
function sharedSnapshot (gateway: () => MeasuredGateway): () => Snapshot {
  let snapshot: Snapshot | undefined
  return () => {
    if (snapshot === undefined) {
      snapshot = snapshotOf(gateway())
      setImmediate(() => { snapshot = undefined })
    }
    return snapshot
  }
}

function families (gateway: () => MeasuredGateway): Family[] {
  const read = sharedSnapshot(gateway)
  const ofRoutes = (samples: (counts: RouteCounts) => Array<[Labels, number]>) => (): Sample[] =>
    read().routes.flatMap(counts => samples(counts).map(([labels, value]) => ({ labels: { ...labelsOf(counts), ...labels }, value })))
  const ofSessions = (value: (carried: Carried) => number) => (): Sample[] => read().routes.flatMap(counts => {
    if (counts.sessionsOpened === 0) return []
    const live = read().live.get(counts)
    const sum = (ended: Carried, open: Carried | undefined): number => value(ended) + (open === undefined ? 0 : value(open))
    return [
      { labels: { ...labelsOf(counts), direction: CLIENT_TO_TARGET }, value: sum(counts.fromClients, live?.fromClients) },
      { labels: { ...labelsOf(counts), direction: TARGET_TO_CLIENT }, value: sum(counts.fromTargets, live?.fromTargets) }
    ]
  })
  const ofTargets = (samples: (target: UpstreamControl['targets'][number]) => Array<[Labels, number]>) => (): Sample[] =>
    read().upstreams.flatMap(({ name, targets }) => targets.flatMap(target =>
      samples(target).map(([labels, value]) => ({ labels: { upstream: name, target: target.url, ...labels }, value }))))
  const ofReloads = (value: (reloads: Counters['reloads']) => number) => (): Sample[] => [{ labels: {}, value: value(gateway().counters.reloads) }]

  return [
    new Family('sluice_requests_total', 'counter', 'Requests on proxied routes that have been responded to; a WebSocket counts once, when it opens.',
      ofRoutes(({ requests }) => requests.map(({ method, status, durations }) => [{ method, status }, durations.count]))),
    new Family('sluice_request_duration_seconds', 'histogram', 'Time from the start of the handler of a route to the end of the response; of a WebSocket and of an event stream, to its head.',
      () => read().routes.flatMap(counts => counts.requests.flatMap(({ method, status, durations }) =>
        histogramSamples('sluice_request_duration_seconds', { ...labelsOf(counts), method, status }, durations)))),
    new Family('sluice_body_bytes_total', 'counter', 'Bytes of the bodies of requests and responses.', ofRoutes(({ bodyFromClients, bodyFromTargets }) => [
      [{ direction: CLIENT_TO_TARGET }, bodyFromClients], [{ direction: TARGET_TO_CLIENT }, bodyFromTargets]
    ])),
    new Family('sluice_retries_total', 'counter', 'Attempts behind the first one of a request or a handshake.', ofRoutes(({ retries }) => [[{}, retries]])),

    new Family('sluice_websocket_handshakes_total', 'counter', 'WebSocket handshakes by how they ended, and by whose doing.',
      ofRoutes(({ handshakes }) => handshakes.map(({ labels, count }) => [labels, count]))),
    new Family('sluice_websocket_sessions', 'gauge', 'WebSocket sessions that are open.',
      ofRoutes(({ sessionsOpened, sessionsOpen }) => sessionsOpened === 0 ? [] : [[{}, sessionsOpen]])),
    new Family('sluice_websocket_sessions_opened_total', 'counter', 'WebSocket sessions that have opened.',
      ofRoutes(({ sessionsOpened }) => sessionsOpened === 0 ? [] : [[{}, sessionsOpened]])),
    new Family('sluice_websocket_sessions_ended_total', 'counter', 'WebSocket sessions that have ended, by who ended them, why, and with which close code.',
      ofRoutes(({ ends }) => ends.map(({ labels, count }) => [labels, count]))),
    new Family('sluice_websocket_reconnects_total', 'counter', 'WebSocket sessions that got another connection to a target in the place of a lost one, or did not and ended.',
      ofRoutes(({ sessionsOpened, reconnects: { succeeded, failed } }) => sessionsOpened === 0 ? [] : [[{ outcome: 'succeeded' }, succeeded], [{ outcome: 'failed' }, failed]])),
    new Family('sluice_websocket_session_duration_seconds', 'histogram', 'How long WebSocket sessions were open, of those that have ended.',
      () => read().routes.flatMap(counts => counts.sessionsOpened === 0 ? [] : histogramSamples('sluice_websocket_session_duration_seconds', labelsOf(counts), counts.sessionDurations))),
    new Family('sluice_websocket_messages_total', 'counter', 'Messages of WebSocket sessions, live.', ofSessions(({ messages }) => messages)),
    new Family('sluice_websocket_frames_total', 'counter', 'Frames of WebSocket sessions, control frames included, live.', ofSessions(({ frames }) => frames)),
    new Family('sluice_websocket_bytes_total', 'counter', 'Bytes of WebSocket sessions on the wire, live.', ofSessions(({ bytes }) => bytes)),
    new Family('sluice_websocket_stalled_seconds_total', 'counter', 'Time in which a direction of a WebSocket session stood still, because the receiver did not read.', ofSessions(({ stalled }) => stalled / 1000)),

    new Family('sluice_upstream_waiting', 'gauge', 'Requests and handshakes that wait for a place at a target.',
      () => read().upstreams.map(({ name, load }) => ({ labels: { upstream: name }, value: load.waiting }))),
    new Family('sluice_target_up', 'gauge', 'Whether a target gets traffic: 1 if it is ready and healthy.', ofTargets(({ state, health }) => [[{}, state === 'ready' && health === 'healthy' ? 1 : 0]]), 'min'),
    new Family('sluice_target_load', 'gauge', 'What is under way at a target.', ofTargets(({ requests, handshakes, sessions }) => [
      [{ kind: 'request' }, requests], [{ kind: 'handshake' }, handshakes], [{ kind: 'session' }, sessions]
    ])),
    new Family('sluice_target_failures_total', 'counter', 'Attempts at a target that have failed.', ofTargets(({ failures }) => [[{}, failures]])),
    new Family('sluice_target_ejections_total', 'counter', 'How often passive health checks have ejected a target.', ofTargets(({ ejections }) => [[{}, ejections]])),

    new Family('sluice_config_reloads_total', 'counter', 'Reloads of the configuration by their result.', () => {
      const { succeeded, failed } = gateway().counters.reloads
      return [{ labels: { result: 'success' }, value: succeeded }, { labels: { result: 'failure' }, value: failed }]
    }),
    new Family('sluice_config_last_reload_successful', 'gauge', 'Whether the last reload of the configuration succeeded.', ofReloads(({ ok }) => ok ? 1 : 0)),
    new Family('sluice_config_last_reload_success_timestamp_seconds', 'gauge', 'When the configuration that is in force was put in force.', ofReloads(({ lastSuccessAt }) => lastSuccessAt / 1000))
  ]
}

const CLIENT_TO_TARGET = 'client_to_target'
const TARGET_TO_CLIENT = 'target_to_client'

function labelsOf ({ route, upstream }: RouteCounts): Labels {
  return { route, upstream }
}

function histogramSamples (name: string, labels: Labels, { bounds, counts, count, sum }: Histogram): Sample[] {
  let below = 0
  const buckets = bounds.map((bound, index): Sample => {
    below += counts[index]!
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count }
  ]
}
