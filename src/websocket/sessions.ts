import { DrainingError } from '../errors.js'
import type { Cancellation } from '../net/cancellation.js'
import type { EndReason, WebSocketSession } from '../types.js'
import type { Endpoint } from '../upstreams/endpoint.js'
import { CloseCode } from './relay/frames.js'
import { checkClose, type FateOfSessions, type LiveSession } from './live-session.js'

/** How a drain goes. */
export interface DrainOptions {
  /** Milliseconds until what has not ended is destroyed. Default: 30,000. */
  timeout?: number
  /** Milliseconds over which the close frames are spread, evenly. Default: 0, all at once. */
  spread?: number
  /**
   * The close code, one that may stand on the wire; false ends the connections without a Close frame, for clients that
   * only come back after an unclean end. Default: 1012, service restart, after which clients come back.
   */
  code?: number | false
}

/** How sessions end that have lost their route or their target. */
export interface Removal {
  /** The close code; undefined ends the connections without a Close frame. */
  code: number | undefined
  /** Milliseconds over which they end, evenly. */
  spread: number
}

/** Which sessions are meant: all for which it is true. */
export type SessionFilter = (session: WebSocketSession) => boolean

/** The live sessions of a gateway, and how they all end. */
export class Sessions {
  readonly #live = new Set<LiveSession>()
  /** Handshakes under way. A drain gives them up. */
  readonly handshakes = new Set<Cancellation>()
  /** Whether a drain has begun: new handshakes are refused. */
  stopping = false
  #onEmpty: (() => void) | undefined
  #isServed: ((session: LiveSession) => boolean) | undefined
  #leaving: Removal | undefined
  #removal: Removal = { code: CloseCode.restart, spread: 0 }

  /** How many sessions are open. */
  get size (): number {
    return this.#live.size
  }

  /** The open sessions. */
  list (filter: SessionFilter = () => true): WebSocketSession[] {
    return [...this.#live].filter(filter)
  }

  /**
   * Ends sessions, each as its own `close()` does.
   *
   * @param code A close code. Default: 1000.
   * @param reason At most 123 bytes in UTF-8. Default: none.
   * @param filter Which. Default: all.
   * @returns How many.
   * @throws {RangeError} for another code, or a longer reason.
   */
  close (code: number = CloseCode.normal, reason = '', filter?: SessionFilter): number {
    checkClose(code, reason)
    const chosen = this.list(filter)
    for (const session of chosen) session.close(code, reason)
    return chosen.length
  }

  /** For the gateway: a session has opened. */
  add (session: LiveSession): void {
    this.#live.add(session)
    if (this.#leaving !== undefined) return end(session, 'close', 'drain', this.#leaving, 0)
    // Its handshake may have begun before the reload that removed its route.
    if (this.#isServed?.(session) === false) end(session, session.onRemoved, 'removed', this.#removal, Math.random() * this.#removal.spread)
  }

  /** For the gateway: a session has ended. */
  delete (session: LiveSession): void {
    this.#live.delete(session)
    if (this.#live.size === 0) this.#onEmpty?.()
  }

  /**
   * Refuses new handshakes, tells every session Close, and resolves when all have ended. What is left after
   * the timeout is destroyed.
   *
   * @throws {RangeError} for an invalid close code.
   */
  async drain ({ timeout = 30_000, spread = 0, code: given = CloseCode.restart }: DrainOptions = {}): Promise<void> {
    const code = given === false ? undefined : given
    if (code !== undefined) checkClose(code, '')
    this.stopping = true
    for (const handshake of this.handshakes) handshake.cancel(new DrainingError())
    const sessions = [...this.#live]
    const timers: NodeJS.Timeout[] = []
    const step = spread / sessions.length
    for (const [index, session] of sessions.entries()) {
      if (step === 0) session.relay.close('drain', code)
      else timers.push(setTimeout(() => session.relay.close('drain', code), Math.round(index * step)))
    }
    if (this.#live.size > 0) {
      timers.push(setTimeout(() => this.destroy(code), timeout))
      await this.empty()
    }
    for (const timer of timers) clearTimeout(timer)
  }

  /**
   * For the gateway: a reload has changed what is served. Each session whose route or target is gone ends as its route's
   * `onRemoved` says; all others go on.
   *
   * @param isServed Whether the route and the target of a session are still there.
   * @returns How many end.
   */
  reconcile (isServed: (session: LiveSession) => boolean, removal: Removal): number {
    this.#isServed = isServed
    this.#removal = removal
    return endAll([...this.#live].filter(session => !isServed(session)), session => session.onRemoved, 'removed', removal)
  }

  /** For the gateway: a target is found to be down. Its sessions end as `onUnhealthy` of their routes says. */
  leaveTarget (upstream: string, endpoint: Endpoint, removal: Removal): void {
    endAll(this.on(upstream, endpoint), session => session.onUnhealthy, 'unhealthy', removal)
  }

  /** For the gateway: a target is to have no sessions any more. Those that can do with another move there; the others stay. */
  moveFrom (upstream: string, endpoint: Endpoint, removal: Removal): void {
    this.move(this.on(upstream, endpoint).filter(({ relay }) => relay.canChangeTarget), removal)
  }

  /** For the gateway: the sessions on a target, the oldest first. */
  on (upstream: string, endpoint: Endpoint): LiveSession[] {
    return [...this.#live].filter(session => session.endpoint === endpoint && session.upstream === upstream)
  }

  /** For the gateway: has sessions move to other targets, by ending them where their routes have no `reconnect`. */
  move (sessions: readonly LiveSession[], removal: Removal): void {
    endAll(sessions, () => 'drain', 'rebalance', removal)
  }

  /**
   * For the gateway: others serve in its place. Ends all sessions, and those that handshakes under way open still; none is
   * refused.
   */
  leave (removal: Removal): void {
    this.#leaving = removal
    endAll([...this.#live], () => 'drain', 'drain', removal)
  }

  /** For the gateway: ends what is open at once. */
  destroy (code: number | undefined = this.#leaving?.code): void {
    for (const session of this.#live) session.relay.destroy(code)
  }

  /** Resolves when no session is open. Two may wait at a time: a drain that was asked for, and that of app.close(). */
  empty (): Promise<void> {
    return this.#live.size === 0
      ? Promise.resolve()
      : new Promise(resolve => {
        const before = this.#onEmpty
        this.#onEmpty = () => {
          before?.()
          resolve()
        }
      })
  }
}

/** What concerns the target alone. */
const MOVABLE: ReadonlySet<EndReason> = new Set<EndReason>(['removed', 'unhealthy', 'rebalance'])

/** @returns How many of them end. */
function endAll (sessions: readonly LiveSession[], fateOf: (session: LiveSession) => FateOfSessions, reason: EndReason, removal: Removal): number {
  const ending = sessions.filter(session => fateOf(session) !== 'keep')
  for (const [index, session] of ending.entries()) end(session, fateOf(session), reason, removal, index * removal.spread / ending.length)
  return ending.length
}

function end (session: LiveSession, fate: FateOfSessions, reason: EndReason, { code }: Removal, delay: number): void {
  if (fate === 'keep') return
  const close = (): void => {
    // Where the route has `reconnect`, the client does not notice.
    if (MOVABLE.has(reason) && session.relay.changeTarget(reason, code)) return
    session.relay.close(reason, code)
  }
  if (fate === 'close' || delay === 0) close()
  // A session that has ended by then is not ended again.
  else setTimeout(close, Math.round(delay)).unref()
}
