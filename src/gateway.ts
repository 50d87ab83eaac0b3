import { AccessLog } from './observers/access-log.js'
import { diagnostics } from './observers/diagnostics.js'
import { SessionCounts } from './policies/session-limits.js'
import { Observers } from './proxy/observer.js'
import { Endpoints } from './upstreams/endpoints.js'
import type { UpstreamControl } from './upstreams/control.js'
import { Sessions, type DrainOptions } from './websocket/sessions.js'

/** `app.gateway`. */
export interface Gateway {
  /** The open WebSocket sessions. */
  readonly sessions: Pick<Sessions, 'size' | 'list' | 'close'>
  /** The declared upstreams, to be changed while the app runs. */
  readonly upstreams: Upstreams
  /**
   * Refuses new handshakes with 503, ends every session with Close 1012 between two messages, and resolves when all
   * have ended. What is left after the timeout is destroyed. `app.close()` does the same.
   *
   * @throws {RangeError} for a close code that may not stand on the wire.
   */
  drain (options?: DrainOptions): Promise<void>
}

/** `app.gateway.upstreams`. */
export interface Upstreams {
  /** The upstream that was declared under a name; undefined for none. */
  get (name: string): UpstreamControl | undefined
  /** All of them. */
  list (): UpstreamControl[]
}

/** A decorator of an app: the state that its gateway shares with those of other configurations. */
export const SHARED_STATE = Symbol('sluice.state')

/**
 * What a gateway keeps as long as it lives. An embedded one lives as long as its app; that of the service outlives its
 * configurations, each of which is an app of its own.
 */
export class GatewayState {
  readonly sessions = new Sessions()
  readonly endpoints = new Endpoints()
  readonly observers = new Observers()
  readonly #sessionCounts = new Map<string, SessionCounts>()

  /** @param accessLog Whether a line is logged for each request, beside that for each session. */
  constructor (accessLog: boolean) {
    this.observers.add(new AccessLog(accessLog))
    this.observers.add(diagnostics)
  }

  /** How many sessions a route has. */
  sessionCounts (route: string): SessionCounts {
    let counts = this.#sessionCounts.get(route)
    if (counts === undefined) this.#sessionCounts.set(route, counts = new SessionCounts())
    return counts
  }

  /** Forgets the counts of routes that are gone and have no sessions left. */
  forgetRoutes (isThere: (route: string) => boolean): void {
    for (const [route, counts] of this.#sessionCounts) if (counts.total === 0 && !isThere(route)) this.#sessionCounts.delete(route)
  }

  /** Destroys all connections to targets. */
  close (): void {
    this.endpoints.close()
  }
}
