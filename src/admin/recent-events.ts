import { Type, type Static } from '@sinclair/typebox'
import type { Exchange, Outcome } from '../proxy/exchange.js'
import type { Observer } from '../proxy/observer.js'
import type { EndReason } from '../types.js'
import type { TargetChange } from '../upstreams/standing.js'
import { DrainingError, type GatewayError } from '../errors.js'

/** Something that an operator may want to know of. */
export const RecentEvent = Type.Object({
  at: Type.Integer({ description: 'When it last happened, in milliseconds since 1970.' }),
  kind: Type.Union([Type.Literal('error'), Type.Literal('target'), Type.Literal('reload'), Type.Literal('session'), Type.Literal('worker')]),
  level: Type.Union([Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')]),
  text: Type.String(),
  route: Type.Optional(Type.String()),
  upstream: Type.Optional(Type.String()),
  target: Type.Optional(Type.String()),
  count: Type.Integer({ description: 'How often it has happened, with the same text and at the same place.' })
})
export type RecentEvent = Static<typeof RecentEvent>

/** How long an event is kept, in milliseconds, and how many are. */
const KEPT_FOR = 3_600_000
const MOST = 500

/** Ends of sessions that a peer or the network should not have made. */
const NOTABLE: ReadonlySet<EndReason> = new Set<EndReason>(['protocol-error', 'too-big', 'rate', 'target-rate', 'ping-timeout', 'stalled', 'unhealthy'])

/** The errors, changes of targets and reloads of the last hour. What happens again and again is one event with a count. */
export class RecentEvents implements Observer {
  /** By what makes them the same; the one that happened last comes last. */
  readonly #events = new Map<string, RecentEvent>()
  /** Those that have happened since they were last taken, and how often. */
  #fresh = new Map<RecentEvent, number>()

  /** The newest first. */
  list (): RecentEvent[] {
    this.#forget()
    return [...this.#events.values()].reverse()
  }

  /** Those that have happened since they were last taken: a storm of errors is one for each second. */
  takeFresh (): RecentEvent[] {
    return [...this.#takeFresh().keys()]
  }

  /** The same, counting only how often each has happened since. */
  takeIncrements (): RecentEvent[] {
    return [...this.#takeFresh()].map(([event, count]) => ({ ...event, count }))
  }

  #takeFresh (): Map<RecentEvent, number> {
    const fresh = this.#fresh
    this.#fresh = new Map()
    return fresh
  }

  /** Adds what has happened elsewhere, so often. */
  add ({ at, count, ...event }: RecentEvent): void {
    this.#note(event, count, at)
  }

  onEnd ({ route, upstream, targetUrl, request: { method } }: Exchange, { by, reason, status, error, session }: Outcome): void {
    if (error === undefined && session === undefined) return
    const place = { route, ...upstream !== undefined && { upstream }, ...targetUrl !== undefined && { target: targetUrl } }
    if (session !== undefined) {
      if (NOTABLE.has(session.reason)) this.#note({ kind: 'session', level: 'warn', text: `a session ended by ${by}: ${reason} (${session.code})`, ...place })
    } else if (error !== undefined && by !== 'client' && !(error instanceof DrainingError)) {
      const { code = error.name } = error as Partial<GatewayError>
      this.#note({ kind: 'error', level: by === 'target' ? 'warn' : 'error', text: `${method} ${status ?? 'no response'}: ${code}, ${causeOf(error)}`, ...place })
    }
  }

  onTargetChange ({ upstream, target, state, health, before, reason }: TargetChange): void {
    const level = health !== 'healthy' && health !== before.health ? 'warn' : 'info'
    this.#note({ kind: 'target', level, text: `${before.state}, ${before.health} → ${state}, ${health}${reason === undefined ? '' : `: ${reason}`}`, upstream, target })
  }

  noteReload (ok: boolean, text: string): void {
    this.#note({ kind: 'reload', level: ok ? 'info' : 'error', text })
  }

  noteWorker (level: RecentEvent['level'], text: string): void {
    this.#note({ kind: 'worker', level, text })
  }

  #note (given: Omit<RecentEvent, 'at' | 'count'>, times = 1, at = Date.now()): void {
    const { kind, text, route, upstream, target } = given
    const key = JSON.stringify([kind, text, route, upstream, target])
    const event = this.#events.get(key) ?? { at: 0, ...given, count: 0 }
    event.at = Math.max(event.at, at)
    event.count += times
    this.#events.delete(key)
    this.#events.set(key, event)
    this.#fresh.set(event, (this.#fresh.get(event) ?? 0) + times)
    this.#forget()
  }

  #forget (): void {
    const since = Date.now() - KEPT_FOR
    for (const [key, event] of this.#events) {
      if (event.at >= since && this.#events.size <= MOST) return
      this.#events.delete(key)
      this.#fresh.delete(event)
    }
  }
}

/** The innermost reason that an error gives. */
function causeOf (error: Error): string {
  let found = error
  for (let depth = 0; depth < 5 && found.cause instanceof Error; depth++) found = found.cause
  return found.message
}
