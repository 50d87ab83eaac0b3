import { setImmediate } from 'node:timers/promises'
import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import type { Traffic, WebSocketSession } from '../types.js'

/** How many sessions are looked at before others get their turn: some 3 ms. */
const SLICE = 2_000

/** What a session has carried by the last look, and how much a second since the one before. */
interface Seen {
  fromClient: Traffic
  fromTarget: Traffic
  rateFromClient: number
  rateFromTarget: number
}

/** What all sessions have carried since the last look. */
export interface Carried {
  messagesFromClients: number
  messagesFromTargets: number
  bytesFromClients: number
  bytesFromTargets: number
}

const NOTHING: Traffic = { frames: 0, messages: 0, bytes: 0, stalled: 0 }

/** The rates of sessions, and of all together, by looking at them once a second. */
export class SessionRates implements Observer {
  readonly #seen = new WeakMap<object, Seen>()
  #carried: Carried = { messagesFromClients: 0, messagesFromTargets: 0, bytesFromClients: 0, bytesFromTargets: 0 }

  /** Bytes a second of a session, by the last two looks. */
  of (session: WebSocketSession): { rateFromClient: number, rateFromTarget: number } {
    const { rateFromClient = 0, rateFromTarget = 0 } = this.#seen.get(session) ?? {}
    return { rateFromClient, rateFromTarget }
  }

  /** What a session has carried since it was last looked at. */
  onEnd ({ session }: Exchange, { session: end }: Outcome): void {
    if (session === undefined || end === undefined) return
    const { fromClient, fromTarget } = end
    this.#count(this.#seen.get(session), end)
    // It may be among those that are being looked at.
    this.#seen.set(session, { fromClient, fromTarget, rateFromClient: 0, rateFromTarget: 0 })
  }

  /**
   * Looks at sessions, a slice at a time.
   *
   * @param seconds Since the last look.
   */
  async look (sessions: readonly WebSocketSession[], seconds: number): Promise<Carried> {
    for (let index = 0; index < sessions.length; index += SLICE) {
      if (index > 0) await setImmediate()
      for (const session of sessions.slice(index, index + SLICE)) this.#lookAt(session, seconds)
    }
    const carried = this.#carried
    this.#carried = { messagesFromClients: 0, messagesFromTargets: 0, bytesFromClients: 0, bytesFromTargets: 0 }
    return carried
  }

  #lookAt (session: WebSocketSession, seconds: number): void {
    const { fromClient, fromTarget } = session
    const before = this.#seen.get(session)
    const rate = (now: Traffic, then: Traffic | undefined): number => Math.max(now.bytes - (then?.bytes ?? 0), 0) / seconds
    this.#count(before, { fromClient, fromTarget })
    this.#seen.set(session, {
      fromClient,
      fromTarget,
      // What came before the first look may have come in any time.
      rateFromClient: before === undefined ? 0 : rate(fromClient, before.fromClient),
      rateFromTarget: before === undefined ? 0 : rate(fromTarget, before.fromTarget)
    })
  }

  #count ({ fromClient: clientThen, fromTarget: targetThen }: Pick<Seen, 'fromClient' | 'fromTarget'> = { fromClient: NOTHING, fromTarget: NOTHING },
    { fromClient, fromTarget }: Pick<Seen, 'fromClient' | 'fromTarget'>): void {
    this.#carried.messagesFromClients += fromClient.messages - clientThen.messages
    this.#carried.messagesFromTargets += fromTarget.messages - targetThen.messages
    this.#carried.bytesFromClients += fromClient.bytes - clientThen.bytes
    this.#carried.bytesFromTargets += fromTarget.bytes - targetThen.bytes
  }
}
