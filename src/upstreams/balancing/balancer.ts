import type { FastifyRequest } from 'fastify'

/** A target as a balancer sees it. */
export interface Candidate {
  /** Its place among the targets of its upstream. */
  readonly index: number
  /** Its share, while it starts slowly less than its weight. */
  readonly effectiveWeight: number
  /** Requests, handshakes and sessions that it has. */
  readonly load: number
  /** A number of 32 bits that stands for it. */
  readonly seed: number
}

/** Chooses one of several targets. There is one for each leg of an upstream. */
export interface Balancer {
  /**
   * @param targets Those that may be chosen, at least two, in the order in which the upstream lists them.
   * @param request What is to be sent.
   */
  pick<Target extends Candidate> (targets: readonly Target[], request: FastifyRequest): Target
}
