import type { Balancer, Candidate } from './balancer.js'

/** The first target that can be used. The others are spares. */
export class First implements Balancer {
  pick<Target extends Candidate> (targets: readonly Target[]): Target {
    return targets[0]!
  }
}
