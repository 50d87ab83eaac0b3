import { Cancellation } from '../../net/cancellation.js'
import type { TargetAddress } from '../../net/target-address.js'
import type { Standing } from '../standing.js'
import { check } from './checks.js'
import type { HealthPlan } from './options.js'
import type { Slots } from './slots.js'

/** By how much the time between two checks is shortened or lengthened, so that not all come at once. */
const JITTER = 0.2
/** Milliseconds from the beginning of a check that contradicts the state of its target to the next one. */
const RECHECK = 1_000

/** A target to be checked. */
export interface Checked {
  readonly address: TargetAddress
  readonly standing: Standing
}

/** Checks the targets of an upstream, each at its own times. */
export class HealthChecker {
  readonly #plan: HealthPlan
  readonly #slots: Slots
  readonly #checks = new Map<Standing, TargetCheck>()
  #isStarted = false

  /** @param slots Limit how many checks are made at a time. */
  constructor (plan: HealthPlan, slots: Slots) {
    this.#plan = plan
    this.#slots = slots
  }

  /** Begins, with a check of each target at once. */
  start (targets: readonly Checked[]): void {
    this.#isStarted = true
    this.watch(targets)
  }

  /** These are the targets from now on. */
  watch (targets: readonly Checked[]): void {
    if (!this.#isStarted) return
    const gone = new Set(this.#checks.keys())
    for (const target of targets) {
      if (!gone.delete(target.standing) && !this.#checks.has(target.standing)) this.#checks.set(target.standing, new TargetCheck(target, this.#plan, this.#slots))
    }
    for (const standing of gone) this.#stop(standing)
  }

  /** Makes no more checks. */
  stop (): void {
    this.#isStarted = false
    for (const standing of [...this.#checks.keys()]) this.#stop(standing)
  }

  #stop (standing: Standing): void {
    this.#checks.get(standing)!.stop()
    this.#checks.delete(standing)
  }
}

/** Checks one target again and again. */
class TargetCheck {
  readonly #target: Checked
  readonly #plan: HealthPlan
  readonly #slots: Slots
  readonly #cancellation = new Cancellation()
  #timer: NodeJS.Timeout | undefined
  /** In a row. */
  #passed = 0
  #failed = 0

  constructor (target: Checked, plan: HealthPlan, slots: Slots) {
    const { port } = plan
    this.#target = port === undefined ? target : { address: { ...target.address, port }, standing: target.standing }
    this.#plan = plan
    this.#slots = slots
    this.#queue()
  }

  #queue (): void {
    this.#slots.run(() => this.#check())
  }

  async #check (): Promise<void> {
    if (this.#cancellation.cancelled) return
    const begun = performance.now()
    const fault = await check(this.#target.address, this.#plan, this.#cancellation)
    if (this.#cancellation.cancelled) return
    const isUndecided = fault === undefined ? this.#pass() : this.#fail(fault)
    const { interval } = this.#plan
    const period = isUndecided ? Math.min(RECHECK, interval) : interval * (1 - JITTER + 2 * JITTER * Math.random())
    this.#timer = setTimeout(() => this.#queue(), Math.max(begun + period - performance.now(), 0)).unref()
  }

  /** @returns Whether it takes more of them to change the state of the target. */
  #pass (): boolean {
    const { standing } = this.#target
    this.#failed = 0
    // What passed before it was ejected says nothing.
    this.#passed = standing.health === 'ejected' && this.#passed >= this.#plan.rise ? 1 : this.#passed + 1
    if (standing.health === 'healthy') return false
    if (this.#passed < this.#plan.rise) return true
    standing.setDown(false, `${count(this.#passed, 'check')} passed in a row`)
    return false
  }

  #fail (fault: string): boolean {
    const { standing } = this.#target
    this.#passed = 0
    this.#failed++
    if (standing.health === 'down') return false
    if (this.#failed < this.#plan.fall) return true
    standing.setDown(true, `${count(this.#failed, 'check')} failed in a row, the last one: ${fault}`)
    return false
  }

  stop (): void {
    this.#cancellation.cancel(new Error('the check was stopped'))
    clearTimeout(this.#timer)
  }
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`
