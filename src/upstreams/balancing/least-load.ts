import type { Balancer, Candidate } from './balancer.js'

/** The target with the least load for its weight; among several of these, by smooth weighted round robin. */
export class LeastLoad implements Balancer {
  /** By the index of a target, how much is due to it. */
  readonly #due: number[] = []
  /** The loads of the targets at hand. */
  readonly #loads: number[] = []

  pick<Target extends Candidate> (targets: readonly Target[]): Target {
    const loads = this.#loads
    let least = Infinity
    for (let index = 0; index < targets.length; index++) {
      const target = targets[index]!
      const load = loads[index] = target.load / target.effectiveWeight
      if (load < least) least = load
    }
    const due = this.#due
    let total = 0
    let best = targets[0]!
    let most = -Infinity
    for (let index = 0; index < targets.length; index++) {
      if (loads[index] !== least) continue
      const target = targets[index]!
      total += target.effectiveWeight
      const sum = due[target.index] = (due[target.index] ?? 0) + target.effectiveWeight
      if (sum > most) {
        most = sum
        best = target
      }
    }
    due[best.index]! -= total
    return best
  }
}
