import type { FastifyRequest } from 'fastify'
import type { HeaderList } from '../message/headers.js'
import type { Offer } from '../message/offer.js'
import type { Exchange } from './exchange.js'

/** When a session ends by itself, and why: `at` as `performance.now()` counts. */
export interface SessionEndsAt {
  at: number
  reason: 'lifetime' | 'expired'
}

/** How much one side of a session may send. Times are milliseconds, as `performance.now()` counts. */
export interface SideRate {
  /** What becomes of one that sends more. */
  readonly action: 'close' | 'delay'
  /** The session begins. Returns how long the side is not to be read yet. */
  begin (now: number): number
  /**
   * Counts what has come.
   *
   * @param messages All messages so far.
   * @param frames All frames so far, control frames and those without payload included.
   * @param bytes All bytes so far.
   * @returns How long it takes until the side is within its rate again; 0 when it is.
   */
  count (messages: number, frames: number, bytes: number, now: number): number
  /** How long it takes until then, with what was counted. */
  wait (now: number): number
  /** Nothing is relayed any more, and so nothing counts. */
  stop (): void
}

/** The rates of a session's sides; undefined for one that may send what it likes. */
export interface SessionRates {
  readonly client: SideRate | undefined
  readonly target: SideRate | undefined
}

/** A handshake that asks to be let through to a target. Policies may narrow what it is let through with. */
export interface Admission {
  readonly request: FastifyRequest
  /** Takes what is to be given back at its end: `exchange.lease()`. */
  readonly exchange: Exchange
  /** What of the client's offer goes on. */
  offer: Offer
  /** Takes out of the client's headers what does not go on of the offer. */
  narrow (headers: HeaderList): HeaderList
  /** When the session will end by itself; never when undefined. */
  endsAt: SessionEndsAt | undefined
  /** How much its sides may send; what they like when undefined. */
  rates: SessionRates | undefined
}

/**
 * A rule of a route that Fastify's hooks cannot hold: one that lasts as long as a session, or that changes what the
 * target is offered. For authentication and rate limits there are the hooks.
 */
export interface Policy {
  /** Its route is served from now on, and maybe had other options before. */
  begin? (): void
  /** @throws An error for a client that is not let through; it is what the client gets. */
  admit (admission: Admission): void | Promise<void>
}

/**
 * Asks all policies of a route, in their order. It returns a promise only where one of them does.
 *
 * @throws What the first one throws that does not let the client through.
 */
export function admit (policies: readonly Policy[], admission: Admission): void | Promise<void> {
  for (const [index, policy] of policies.entries()) {
    const pending = policy.admit(admission)
    if (pending !== undefined) return pending.then(() => admit(policies.slice(index + 1), admission))
  }
}
