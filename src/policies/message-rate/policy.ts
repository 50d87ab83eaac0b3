import { RateExceededError, RateKeyError } from '../../errors.js'
import { keyOf, type KeyFunction } from '../../message/request-key.js'
import { clientNetwork } from '../../net/client-network.js'
import type { MessageRate } from '../../options/index.js'
import type { Admission, Policy, SideRate } from '../../proxy/policy.js'
import { RateBucket } from './rate-bucket.js'
import { RateLimit } from './rate-limit.js'
import type { SharedRates } from './shared-rates.js'

/** Gives what sessions of a route send together; kept over a reload. `kind` tells those of one route apart. */
export type SharedRatesOf = (kind: string, rate: MessageRate) => SharedRates

/** Gives the sides of a session their rates: `messageRate` and `targetMessageRate`. */
export class MessageRatePolicy implements Policy {
  readonly #client: Side | undefined
  readonly #target: Side | undefined

  constructor (client: MessageRate | undefined, target: MessageRate | undefined, sharedRatesOf: SharedRatesOf) {
    this.#client = client && new Side('messageRate', client, sharedRatesOf)
    this.#target = target && new Side('targetMessageRate', target, sharedRatesOf)
  }

  begin (): void {
    this.#client?.begin()
    this.#target?.begin()
  }

  /**
   * @throws {RateKeyError} if a function of the app that gives the key fails.
   * @throws {RateExceededError} if the action is 'close', and sessions of the key have sent more than its rate, which is
   *   not paid back yet.
   */
  admit (admission: Admission): void {
    admission.rates = { client: this.#client?.admit(admission), target: this.#target?.admit(admission) }
  }
}

/** The rate of one side, for all sessions of a route. */
class Side {
  readonly #rate: MessageRate
  readonly #keyOf: KeyFunction | undefined
  readonly #shared: SharedRates | undefined

  constructor (option: string, rate: MessageRate, sharedRatesOf: SharedRatesOf) {
    const { key = 'session' } = rate
    this.#rate = rate
    if (key === 'session') return
    const read = keyOf(key, `websocket.${option}.key`, cause => new RateKeyError({ cause }))
    this.#keyOf = key === 'address' ? request => networkOf(read(request)) : read
    // Another kind of key has other buckets: what sessions have in common then is something else.
    const kind = typeof key === 'object' ? `header ${key.header.toLowerCase()}` : typeof key === 'function' ? 'function' : key
    this.#shared = sharedRatesOf(`${option} ${kind}`, rate)
  }

  begin (): void {
    this.#shared?.use(this.#rate, performance.now())
  }

  admit ({ request, exchange }: Admission): SideRate {
    const now = performance.now()
    const rate = this.#rate
    const shared = this.#shared
    const key = this.#keyOf?.(request)
    if (shared === undefined || key === undefined || key === null || key === '') {
      return new RateLimit(rate.action, new RateBucket({ rate, since: now }, now))
    }
    const place = shared.enter(key, now)
    const limit = new RateLimit(rate.action, place.bucket)
    exchange.lease(() => {
      const now = performance.now()
      limit.leave(now)
      shared.leave(place, now)
    })
    if (limit.action === 'close' && place.bucket.isInDebt(now)) throw new RateExceededError()
    return limit
  }
}

/** A connection over a Unix socket has no address. */
function networkOf (address: string | null | undefined): string | undefined {
  return typeof address === 'string' ? clientNetwork(address) : undefined
}
