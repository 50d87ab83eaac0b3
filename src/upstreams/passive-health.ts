import { AttemptTimeoutError, TargetTimeoutError, TargetUnreachableError } from '../errors.js'
import { withDefaults } from '../options/defaults.js'
import { PassiveHealthOptions, type UpstreamOptions } from '../options/index.js'
import type { EjectionRules, Standing } from './standing.js'

interface Member { readonly standing: Standing }

interface Rules extends EjectionRules {
  statuses: ReadonlySet<number>
  maxEjected: number
}

/** Ejects targets of an upstream by what traffic shows of them. */
export class PassiveHealth {
  /** Undefined for none: failures are counted all the same. */
  readonly #rules: Rules | undefined
  readonly #members: () => readonly Member[]

  /** @param members All targets of the upstream, as they are at the moment. */
  constructor (given: UpstreamOptions['passiveHealth'], members: () => readonly Member[]) {
    this.#rules = rulesOf(given)
    this.#members = members
  }

  /** A target has responded: with this status, or with a 101. */
  succeed (standing: Standing, status: number): void {
    if (this.#rules?.statuses.has(status) !== true) return standing.succeed()
    standing.failed++
    standing.fail(this.#rules, `it responded with ${status}`, () => this.#mayEject())
  }

  /**
   * An attempt at a target has failed.
   *
   * @param reused Whether its connection had carried a request before: that it was closed says nothing of the target.
   */
  fail (standing: Standing, error: Error, reused: boolean): void {
    const isFailure = (error instanceof TargetUnreachableError && !reused) || error instanceof TargetTimeoutError || error instanceof AttemptTimeoutError
    if (!isFailure) return
    standing.failed++
    if (this.#rules === undefined) return
    const cause = error.cause instanceof Error ? error.cause.message : error.message
    standing.fail(this.#rules, cause, () => this.#mayEject())
  }

  #mayEject (): boolean {
    const members = this.#members()
    const healthy = members.filter(({ standing }) => standing.usable).length
    const ejected = members.filter(({ standing }) => standing.health === 'ejected').length
    const { maxEjected } = this.#rules!
    return healthy > 1 && maxEjected > 0 && ejected + 1 <= Math.max(Math.floor(members.length * maxEjected), 1)
  }
}

function rulesOf (given: UpstreamOptions['passiveHealth']): Rules | undefined {
  if (given === false) return undefined
  const { statuses, ...rules } = withDefaults(PassiveHealthOptions, given === true || given === undefined ? {} : given, ['failures', 'ejectFor', 'maxEjectFor', 'maxEjected'])
  return { ...rules, statuses: new Set(statuses) }
}
