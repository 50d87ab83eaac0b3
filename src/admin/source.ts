import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { ReloadOutcome, RouteStatus } from '../types.js'
import type { RebalanceOptions } from '../upstreams/control.js'
import type { ServingState } from './host.js'
import type { Measurement } from './meter.js'
import type { RecentEvent } from './recent-events.js'
import type { SessionFilter, SessionRow, SessionView } from './session-list.js'
import type { TargetRow, UpstreamRow } from './upstream-list.js'

/** What is to be changed about a target. */
export interface TargetChangeRequest {
  state?: 'ready' | 'drain' | 'maintenance'
  weight?: number
}

/** A part of the open sessions. */
export interface SessionPage {
  /** All that are open. */
  total: number
  /** Those that the filter means. */
  matching: number
  sessions: SessionRow[]
}

/** A worker process of the service. */
export interface WorkerRow {
  /** Its number, from 1; the one that replaces a worker has the same. */
  id: number
  pid: number
  state: 'starting' | 'serving' | 'leaving'
  /** Milliseconds since 1970. */
  startedAt: number
  /** Open. */
  sessions: number
}

/**
 * What an admin listener shows and changes: the gateway of this process, or those of several workers as one. What a
 * request names and is not there rejects with AdminNotFoundError, and what is not valid with AdminInvalidError.
 */
export interface AdminSource {
  readonly state: ServingState
  readonly log: FastifyBaseLogger
  /** The configuration in force; undefined where code made the app. */
  readonly config: object | undefined
  /** Puts the configuration in force again; undefined where there is nothing to read it from. */
  readonly reload: (() => Promise<ReloadOutcome>) | undefined
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Undefined before the first one. */
  readonly lastReload: { at: number, ok: boolean } | undefined
  /** Undefined where there is a single process. */
  readonly workers: readonly WorkerRow[] | undefined
  /** What has happened since it was last asked; once a second. */
  measure (): Promise<Measurement>
  /** The events of the last hour, the newest first. */
  events (): RecentEvent[]
  routes (): Promise<RouteStatus[]>
  upstreams (): Promise<UpstreamRow[]>
  upstream (name: string): Promise<UpstreamRow>
  setTarget (upstream: string, url: string, change: TargetChangeRequest): Promise<TargetRow>
  /** @returns How many sessions are moved. */
  rebalance (upstream: string, options: RebalanceOptions): Promise<number>
  listSessions (view: SessionView): Promise<SessionPage>
  session (id: string): Promise<SessionRow>
  closeSession (id: string, code?: number, reason?: string): Promise<void>
  /** @returns How many are ended. */
  closeSessions (filter: SessionFilter, code?: number, reason?: string): Promise<number>
  metrics (): Promise<Registry>
  close (): void
}
