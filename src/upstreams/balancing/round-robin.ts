import type { Balancer, Candidate } from './balancer.js'

/** Smooth weighted round robin: heavy targets are chosen more often, but not in a row. */
export class RoundRobin implements Balancer {
  /** By the index of a target, how much is due to it. */
  readonly #due: number[] = []

  pick<Target extends Candidate> (targets: readonly Target[]): Target {
    const due = this.#due
    let total = 0
    let best = targets[0]!
    let most = -Infinity
    for (let index = 0; index < targets.length; index++) {
      const target = targets[index]!
      const weight = target.effectiveWeight
      total += weight
      const sum = due[target.index] = (due[target.index] ?? 0) + weight
      if (sum > most) {
        most = sum
        best = target
      }
    }
    due[best.index]! -= total
    return best
  }
}
