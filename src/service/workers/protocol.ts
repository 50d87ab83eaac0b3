import type { Measurement } from '../../admin/meter.js'
import type { AdminSource } from '../../admin/source.js'
import type { FamilyJson } from '../../observers/family.js'
import type { Reloaded } from '../changes.js'
import type { Settings } from '../settings.js'

/* What the primary process and its workers ask of each other. A worker may be of a newer version than its primary. */

/** Changes when a worker could misunderstand a primary of another version. */
export const PROTOCOL = 1

/** The environment variable by which a process knows that it is a worker: its number and the protocol. */
export const WORKER_VARIABLE = 'SLUICE_WORKER'

/** What a worker is started with. */
export interface WorkerStart {
  settings: Settings
  /** What sticky cookies are signed with where no secret is configured: the same in all workers. */
  stickyKey: Buffer
}

/** How a worker ends that has been replaced. */
export interface LeaveOptions {
  /** Whether its sessions go on until they end by themselves; otherwise they end as in a drain. */
  keepSessions: boolean
}

/** The part of an admin source that a worker has; what it says of the process is the primary's. */
export type WorkerAdmin = Pick<AdminSource, 'routes' | 'upstreams' | 'upstream' | 'setTarget' | 'rebalance' | 'listSessions' | 'session' | 'closeSession' | 'closeSessions'> & {
  measure (): Promise<Measurement>
  metrics (): Promise<FamilyJson[]>
}

/** What a primary asks of a worker. */
export type WorkerMethods = {
  /** Serves. @returns The address, such as http://127.0.0.1:8080. */
  serve (start: WorkerStart): Promise<string>
  /** Responds at once, unless its event loop stands still. */
  ping (): void
  reload (settings: Settings): Promise<Reloaded>
  /** Accepts nothing more, and ends when nothing is under way. @returns Its last metrics, if they are collected. */
  leave (options: LeaveOptions): Promise<FamilyJson[] | undefined>
  /** Ends with the service. */
  stop (): Promise<void>
  reopenLog (): Promise<void>
  /** Whether there is an admin listener, for which it must measure. */
  observe (wanted: boolean): Promise<void>
  admin<Name extends keyof WorkerAdmin> (method: Name, parameters: Parameters<WorkerAdmin[Name]>): Promise<unknown>
}

/** What a worker asks of its primary. Until another one serves, it goes on: nobody is refused. */
export type PrimaryMethods = {
  /** It can be asked. */
  ready (): void
  /**
   * It wants to end: another one is to take its place. Resolves when that serves.
   *
   * @param failure What has failed; undefined where it was sent SIGTERM.
   */
  replace (failure: string | undefined): Promise<void>
  /** What it has measured by its end, where it ends by itself. */
  measured (metrics: FamilyJson[]): void
}
