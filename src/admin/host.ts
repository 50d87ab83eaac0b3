import type { FastifyBaseLogger } from 'fastify'
import type { Gateway } from '../gateway.js'
import type { Observer } from '../proxy/observer.js'
import type { ReloadOutcome } from '../types.js'

/** Whether a gateway serves: not yet, now, or no more. */
export type ServingState = 'starting' | 'serving' | 'stopping'

/** What is administered: a gateway, whether embedded in an app or run as a service. */
export interface AdminHost {
  /** That of the app that is served now. */
  readonly gateway: Gateway
  readonly state: ServingState
  readonly log: FastifyBaseLogger
  /** The configuration in force; undefined where code made the app. */
  readonly config: object | undefined
  /** Puts the configuration in force again; undefined where there is nothing to read it from. */
  readonly reload: (() => Promise<ReloadOutcome>) | undefined
  /** Hears what becomes of exchanges, whichever app serves them. Gives what ends it. */
  observe (observer: Observer): () => void
  /** Hears of reloads. Gives what ends it. */
  onReload (listener: (ok: boolean, text: string) => void): () => void
}
