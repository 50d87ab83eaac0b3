import { SessionExpiredError } from '../errors.js'
import type { UntilFunction } from '../options/index.js'
import type { Admission, Policy } from '../proxy/policy.js'

/** How long a session may last. */
export interface Lifetime {
  until: UntilFunction | undefined
  /** Milliseconds. */
  maxLifetime: number | undefined
  /** Milliseconds by which it may be shorter. */
  lifetimeJitter: number
}

/** Says when a session ends by itself: at the date that `until` gives, or after `maxLifetime`, whichever comes first. */
export class LifetimePolicy implements Policy {
  readonly #lifetime: Lifetime

  constructor (lifetime: Lifetime) {
    this.#lifetime = lifetime
  }

  /**
   * @throws {SessionExpiredError} when that has been already.
   * @throws What `until` throws.
   */
  async admit (admission: Admission): Promise<void> {
    const { until, maxLifetime, lifetimeJitter } = this.#lifetime
    const now = performance.now()
    const lifetime = maxLifetime === undefined ? Infinity : now + Math.max(maxLifetime - Math.random() * lifetimeJitter, 1)
    const date = await until?.(admission.request)
    if (date !== undefined && date !== null) {
      const left = date.getTime() - Date.now()
      // An invalid date (NaN) is not in the future.
      if (!(left > 0)) throw new SessionExpiredError()
      if (now + left < lifetime) {
        admission.endsAt = { at: now + left, reason: 'expired' }
        return
      }
    }
    if (lifetime !== Infinity) admission.endsAt = { at: lifetime, reason: 'lifetime' }
  }
}
