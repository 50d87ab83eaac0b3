import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { headerIndex, type HeaderList } from '../message/headers.js'
import type { EndedBy, EndReason, SessionEnd, SessionRequest } from '../types.js'
import type { Load, UpstreamLoad } from '../upstreams/load.js'
import type { Target } from '../upstreams/target.js'

/**
 * Why an exchange ended. Of one that opened a session, it is the reason of the session's end; of another:
 * - `complete`: the target's response has been relayed to its end;
 * - `refused`: the target has refused the handshake, and its response has been relayed;
 * - `error`: the gateway has responded with an error;
 * - `left`: the client has left before the end of its response;
 * - `broken-off`: the target has broken off its response;
 * - `replaced`: other code of the app has responded, such as a timeout of Fastify's.
 */
export type OutcomeReason = 'complete' | 'refused' | 'error' | 'left' | 'broken-off' | 'replaced' | EndReason

/** How an exchange ended. */
export interface Outcome {
  by: EndedBy
  reason: OutcomeReason
  /** The status that the client got; undefined for none. */
  status: number | undefined
  /** Of a session. */
  closeCode: number | undefined
  /** What made it fail. */
  error: Error | undefined
  /** Of an exchange that opened a session. */
  session: SessionEnd | undefined
}

/** When the steps of an exchange were reached, in milliseconds since its handler began; undefined for one that was not. */
export interface Timings {
  /** A target was chosen: the last one, where there were several. */
  chosen: number | undefined
  /** There was a connection to it. */
  connected: number | undefined
  /** The request had been written to it. */
  sent: number | undefined
  /** The head of its response had come. */
  firstByte: number | undefined
  end: number | undefined
}

/** Who hears of the steps of exchanges: all observers of a gateway. */
export interface ExchangeEvents {
  /** Whether there are any: without them, each call site costs this comparison. */
  readonly active: boolean
  onStart (exchange: Exchange): void
  onAttempt (exchange: Exchange): void
  onAttemptFailed (exchange: Exchange, error: Error): void
  onSession (exchange: Exchange): void
  onReconnect (exchange: Exchange, attempt: number, error: Error | undefined): void
  onEnd (exchange: Exchange, outcome: Outcome): void
}

/** Under this key, a request has its exchange. */
export const EXCHANGE = Symbol('sluice.exchange')

/** Whether a request has reached the handler of a proxied route. */
export function hasExchange (request: FastifyRequest): boolean {
  return ((request as FastifyRequest & { [EXCHANGE]?: unknown })[EXCHANGE] ?? null) !== null
}

/** Headers that take the place of others. */
export interface Propagated {
  /** Names, in lower case. */
  replaces: readonly string[]
  headers: HeaderList
}

/** The session that an exchange has opened. */
export interface OpenedSession {
  readonly id: string
  readonly subprotocol: string | undefined
  /** The upstream on which it opened: what is counted of it counts there to its end, wherever it has moved. */
  readonly firstUpstream: string
}

/**
 * One request, or one handshake and the session that comes of it, from the moment at which its handler begins. Everything
 * that is counted, logged or limited hangs on this.
 */
export class Exchange {
  readonly kind: 'request' | 'handshake'
  /** The URL pattern of its route. */
  readonly route: string
  /** Fastify's, until a session opens. From then on it is a snapshot, so that the session does not keep the app in memory. */
  request: FastifyRequest | SessionRequest
  /** The log of its request. */
  readonly log: FastifyBaseLogger
  /** The name of its upstream, once it is known. */
  upstream: string | undefined
  /** Where the last attempt went. */
  target: Target | undefined
  attempts = 0
  /** Why the last attempt failed. */
  attemptError: Error | undefined
  /** The target that the client's sticky cookie stands for. */
  cookieTarget: Target | undefined
  /** While it waits for a place at a target: ends that. */
  stopWaiting: ((reason: Error) => void) | undefined
  session: OpenedSession | undefined
  /** The path and the query for the target, without its base path. */
  path = ''
  /** What an observer has the next request to a target say: headers in the place of others. */
  propagated: Propagated | undefined
  /** Its trace, where it is traced, by the names of the log. */
  trace: { readonly trace_id: string, readonly span_id: string } | undefined
  /** Bytes of bodies; of a session, those on the wire. */
  fromClient = 0
  fromTarget = 0
  /** As `performance.now()` counts, and so are the others; 0 for never. */
  readonly acceptedAt = performance.now()
  chosenAt = 0
  connectedAt = 0
  sentAt = 0
  firstByteAt = 0
  endedAt = 0
  /** Those of the response to the client, unless it has opened a session. */
  responseHeaders: HeaderList | undefined
  outcome: Outcome | undefined
  readonly #observers: ExchangeEvents
  /** The target where it counts. */
  #counted: Target | undefined
  /** Where it counts as a retry. */
  #retry: UpstreamLoad | undefined
  #leases: Array<() => void> | undefined

  constructor (kind: Exchange['kind'], route: string, request: FastifyRequest, observers: ExchangeEvents) {
    this.kind = kind
    this.route = route
    this.request = request
    this.log = request.log
    this.#observers = observers
    ;(request as FastifyRequest & { [EXCHANGE]?: Exchange | null })[EXCHANGE] = this
    if (observers.active) observers.onStart(this)
  }

  /** The URL of the target where the last attempt went; undefined as long as none was chosen. */
  get targetUrl (): string | undefined {
    return this.target?.address.url
  }

  /** An attempt begins: what it puts on the target counts there until the next one, or until the end. */
  choose (target: Target): void {
    const before = this.#counted
    this.target = target
    this.attempts++
    this.chosenAt = performance.now()
    this.connectedAt = this.sentAt = this.firstByteAt = 0
    // Nobody would take back what counts behind the end.
    if (this.outcome === undefined && before !== target) {
      this.#count(target, this.#kindOfLoad, 1)
      this.#counted = target
      if (before !== undefined) this.#count(before, this.#kindOfLoad, -1)
    }
    if (this.#observers.active) this.#observers.onAttempt(this)
    // Once all of it is counted: what waits must not be given a place twice.
    if (before !== undefined && before !== target) before.endpoint.queues.serve()
  }

  /** It does not count at the target that has failed any more. Its place there is given to nobody yet. */
  leaveTarget (): void {
    if (this.#counted === undefined) return
    this.#count(this.#counted, this.#kindOfLoad, -1)
    this.#counted = undefined
  }

  /** It goes nowhere at the moment: its place at the target that it had is for whoever waits there. */
  leave (): void {
    const left = this.#counted
    this.leaveTarget()
    this.retry(undefined)
    left?.endpoint.queues.serve()
  }

  /** It is sent again, and counts as a retry from now on; or with undefined, it does not any more. */
  retry (load: UpstreamLoad | undefined): void {
    if (this.#retry !== undefined) this.#retry.retries--
    this.#retry = this.outcome === undefined ? load : undefined
    if (this.#retry !== undefined) this.#retry.retries++
  }

  /** An attempt has failed. */
  failAttempt (error: Error): void {
    this.attemptError = error
    if (this.#observers.active) this.#observers.onAttemptFailed(this, error)
  }

  /** The handshake has opened a session, which counts in its place from now on. */
  open (session: OpenedSession, request: SessionRequest): void {
    if (this.#counted !== undefined) {
      this.#count(this.#counted, 'handshakes', -1)
      this.#count(this.#counted, 'sessions', 1)
    }
    this.retry(undefined)
    this.session = session
    this.request = request
    if (this.#observers.active) this.#observers.onSession(this)
  }

  /** Its session has another connection to a target; or with an error, there is none, and the session ends. */
  reconnected (attempt: number, error?: Error): void {
    // Of no use any more, and with its stack it takes more than the session.
    this.attemptError = undefined
    if (this.#observers.active) this.#observers.onReconnect(this, attempt, error)
  }

  /** Has something given back at the end, such as a place under a limit. */
  lease (release: () => void): void {
    (this.#leases ??= []).push(release)
  }

  /** Ends it. What comes after the first call is without effect. */
  end (by: EndedBy, reason: OutcomeReason, status: number | undefined, error?: Error, session?: SessionEnd): void {
    if (this.outcome !== undefined) return
    this.endedAt = performance.now()
    this.outcome = { by, reason, status, closeCode: session?.code, error, session }
    this.stopWaiting?.(error ?? new Error('it is over'))
    const left = this.#counted
    this.leaveTarget()
    this.retry(undefined)
    if (this.#leases !== undefined) for (const release of this.#leases) release()
    if (this.#observers.active) this.#observers.onEnd(this, this.outcome)
    left?.endpoint.queues.serve()
  }

  get timings (): Timings {
    const since = (time: number): number | undefined => time === 0 ? undefined : Math.round((time - this.acceptedAt) * 1000) / 1000
    return { chosen: since(this.chosenAt), connected: since(this.connectedAt), sent: since(this.sentAt), firstByte: since(this.firstByteAt), end: since(this.endedAt) }
  }

  /** Whether its response is a stream of events, which lasts as long as somebody listens. */
  get isEventStream (): boolean {
    const headers = this.responseHeaders
    const index = headers === undefined ? -1 : headerIndex(headers, 'content-type')
    return index !== -1 && /^text\/event-stream\b/i.test(headers![index + 1]!)
  }

  get #kindOfLoad (): keyof Load {
    if (this.session !== undefined) return 'sessions'
    return this.kind === 'request' ? 'requests' : 'handshakes'
  }

  #count ({ endpoint, total }: Target, what: keyof Load, by: 1 | -1): void {
    endpoint.load[what] += by
    total[what] += by
  }
}
