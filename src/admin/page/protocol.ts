/** What the server of the feed and the page say to each other, in JSON. */

/** What a second has brought. Numbers are per second, except for `sessions`, the latencies and the delay. */
export interface Point {
  /** Milliseconds since 1970. */
  at: number
  requests: number
  /** With a status of 5xx. */
  errors: number
  handshakes: number
  messagesFromClients: number
  messagesFromTargets: number
  bytesFromClients: number
  bytesFromTargets: number
  /** Open. */
  sessions: number
  /** Milliseconds; null without a request. */
  p50: number | null
  p99: number | null
  /** The longest delay of the event loop, in milliseconds. */
  eventLoop: number
}

export type EventKind = 'error' | 'target' | 'reload' | 'session' | 'worker'
export type EventLevel = 'info' | 'warn' | 'error'

export interface GatewayEvent {
  at: number
  kind: EventKind
  level: EventLevel
  text: string
  route?: string
  upstream?: string
  target?: string
  /** How often it has happened, with the same text and at the same place. */
  count?: number
}

export interface RouteRow {
  url: string
  /** null for all. */
  methods: string[] | null
  constraints: string | null
  /** null for one that code chooses. */
  upstream: string | null
  websocket: boolean
  requests: number
  errors: number
  sessions: number
  p50: number | null
  p99: number | null
}

export type TargetState = 'ready' | 'drain' | 'maintenance'

export interface TargetRow {
  url: string
  /** Set by an operator. */
  state: TargetState
  /** Found by health checks: 'ejected' by passive ones, 'down' by active ones. */
  health: 'healthy' | 'ejected' | 'down'
  /** Since when it has this state and health. */
  since: number
  reason: string | null
  weight: number
  priority: number
  /** In progress. */
  requests: number
  /** In progress. */
  handshakes: number
  sessions: number
  failures: number
}

export interface UpstreamRow {
  name: string
  /** Requests and handshakes that wait for a place at a target. */
  waiting: number
  targets: TargetRow[]
}

export interface SessionRow {
  id: string
  route: string
  upstream: string
  target: string
  /** The address of the client. */
  client: string
  user?: string | null
  subprotocol: string | null
  openedAt: number
  /** How often another target has taken the place of one. */
  reconnects: number
  messagesFromClient: number
  messagesFromTarget: number
  bytesFromClient: number
  bytesFromTarget: number
  /** Bytes per second. */
  rateFromClient: number
  /** Bytes per second. */
  rateFromTarget: number
}

export interface SessionFilter {
  text?: string
  route?: string
  upstream?: string
  target?: string
  client?: string
}

/** 'age' sorts by the time at which the sessions opened: descending, the newest comes first. */
export type SessionOrder = 'age' | 'rate' | 'messages' | 'route' | 'client'

/** Which sessions the page wants to be sent. */
export interface SessionView {
  filter: SessionFilter
  sort: SessionOrder
  descending: boolean
  offset: number
  /** At most 100. */
  limit: number
}

/** A worker process of the service. */
export interface WorkerRow {
  /** The one that replaces a worker has the same. */
  id: number
  pid: number
  state: 'starting' | 'serving' | 'leaving'
  startedAt: number
  sessions: number
}

export interface ReloadResult { at: number, ok: boolean, text?: string }

export type ServerMessage =
  | { type: 'hello', version: string, startedAt: number, points: Point[], events: GatewayEvent[] }
  | { type: 'tick', point: Point, state: string, reload: ReloadResult | null, workers: WorkerRow[] | null }
  | { type: 'routes', routes: RouteRow[] }
  | { type: 'upstreams', upstreams: UpstreamRow[] }
  | { type: 'sessions', total: number, matching: number, offset: number, sessions: SessionRow[] }
  | { type: 'event', event: GatewayEvent }
  | { type: 'error', text: string }

export interface ClientMessage { type: 'view', sessions: SessionView }
