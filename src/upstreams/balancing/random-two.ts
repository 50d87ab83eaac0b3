import type { Balancer, Candidate } from './balancer.js'

/** The less loaded of two targets that are drawn by weight. Several gateways that do so do not run to one target together. */
export class RandomTwo implements Balancer {
  readonly #random: () => number

  /** @param random Gives a number from 0 to less than 1. */
  constructor (random: () => number = Math.random) {
    this.#random = random
  }

  pick<Target extends Candidate> (targets: readonly Target[]): Target {
    const first = this.#draw(targets)
    const second = this.#draw(targets, first)
    return second.load / second.effectiveWeight < first.load / first.effectiveWeight ? second : first
  }

  #draw<Target extends Candidate> (targets: readonly Target[], except?: Target): Target {
    let total = 0
    for (let index = 0; index < targets.length; index++) if (targets[index] !== except) total += targets[index]!.effectiveWeight
    let left = this.#random() * total
    let drawn = targets[0]!
    for (let index = 0; index < targets.length; index++) {
      const target = targets[index]!
      if (target === except) continue
      drawn = target
      left -= target.effectiveWeight
      if (left < 0) break
    }
    return drawn
  }
}
