import { randomUUID } from 'node:crypto'
import { inContext } from '../net/async-context.js'
import type { SessionEnd, SessionRequest, Traffic, WebSocketSession } from '../types.js'
import type { Endpoint } from '../upstreams/endpoint.js'
import { CloseCode } from './relay/frames.js'
import { Session, type SessionOptions } from './relay/relay.js'

/** What is known of a session beside its relay. */
export interface SessionOrigin {
  request: SessionRequest
  route: string
  upstream: string
  endpoint: Endpoint
  subprotocol: string | undefined
  /** What becomes of it when a reload removes its route or its target. */
  onRemoved: FateOfSessions
  /** What becomes of it when its target is found to be down. */
  onUnhealthy: FateOfSessions
}

/** What becomes of sessions that have lost their route or target. */
export type FateOfSessions = 'drain' | 'keep' | 'close'

/** An open session as code of the app sees it. */
export class LiveSession implements WebSocketSession {
  readonly id = randomUUID()
  readonly openedAt = new Date()
  readonly request: SessionRequest
  readonly route: string
  upstream: string
  readonly firstUpstream: string
  /** Where it goes, and what is to become of it when that is removed; not for the app. */
  endpoint: Endpoint
  readonly onRemoved: FateOfSessions
  readonly onUnhealthy: FateOfSessions
  readonly subprotocol: string | undefined
  /** The relay; not for the app. */
  readonly relay: Session
  #abort: AbortController | undefined
  #ended = false

  /** @param options Asked for once all else is known of the session. */
  constructor ({ request, route, upstream, endpoint, subprotocol, onRemoved, onUnhealthy }: SessionOrigin, options: (session: LiveSession) => Omit<SessionOptions, 'onEnd'>, onEnd: (session: LiveSession, end: SessionEnd) => void) {
    this.request = request
    this.route = route
    this.upstream = this.firstUpstream = upstream
    this.endpoint = endpoint
    this.onRemoved = onRemoved
    this.onUnhealthy = onUnhealthy
    this.subprotocol = subprotocol
    this.relay = new Session({
      ...options(this),
      // Timers, connections and code that closes a session have async contexts of their own.
      onEnd: inContext((end: SessionEnd) => {
        this.#ended = true
        this.#abort?.abort()
        onEnd(this, end)
      })
    })
  }

  get target (): string {
    return this.endpoint.address.url
  }

  get reconnects (): number {
    return this.relay.reconnects
  }

  get fromClient (): Traffic {
    return this.relay.fromClient
  }

  get fromTarget (): Traffic {
    return this.relay.fromTarget
  }

  get signal (): AbortSignal {
    // Few ask for one, and it costs more than the rest of the session together.
    this.#abort ??= new AbortController()
    if (this.#ended) this.#abort.abort()
    return this.#abort.signal
  }

  send (to: 'client' | 'target', data: string | Uint8Array): boolean {
    if (to !== 'client' && to !== 'target') throw new TypeError("session.send() sends to 'client' or to 'target'")
    // A copy: it may have to wait, and the caller may use its memory again.
    return this.relay.send(to, typeof data === 'string' ? data : Buffer.from(data))
  }

  close (code: number = CloseCode.normal, reason = ''): void {
    checkClose(code, reason)
    this.relay.close('application', code, reason)
  }
}

/**
 * @throws {RangeError} for a code that may not stand on the wire (RFC 6455 §7.4), or a reason too long for a
 *   Close frame.
 */
export function checkClose (code: number, reason: string): void {
  const known = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
  if (!Number.isInteger(code) || !known) throw new RangeError(`${code} is not a valid close code: take one of 1000 to 1003, 1007 to 1014, or 3000 to 4999`)
  if (Buffer.byteLength(reason) > 123) throw new RangeError('a close reason is at most 123 bytes long')
}
