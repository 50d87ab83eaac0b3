import type { FastifyRequest } from 'fastify'
import type { KeyFunction } from '../../message/request-key.js'
import type { Balancer, Candidate } from './balancer.js'

/**
 * Weighted rendezvous hashing (highest random weight): each target gets a number from the key and its own seed, and the
 * highest wins. When a target goes, only its own keys move, to all others by weight.
 */
export class Hash implements Balancer {
  readonly #key: KeyFunction
  readonly #bound: number | undefined
  readonly #fallback: Balancer

  /**
   * @param bound A target with more than this multiple of its fair share of the load is skipped.
   * @param fallback Chooses for requests without a key.
   */
  constructor (key: KeyFunction, bound: number | undefined, fallback: Balancer) {
    this.#key = key
    this.#bound = bound
    this.#fallback = fallback
  }

  pick<Target extends Candidate> (targets: readonly Target[], request: FastifyRequest): Target {
    const key = this.#key(request)
    if (key === undefined || key === null || key === '') return this.#fallback.pick(targets, request)
    return highest(targets, hashOf(key), this.#bound === undefined ? Infinity : this.#bound * fairShare(targets))
  }
}

/** What a target of weight 1 would have of the load with one more. */
function fairShare (targets: readonly Candidate[]): number {
  let load = 1
  let weight = 0
  for (let index = 0; index < targets.length; index++) {
    load += targets[index]!.load
    weight += targets[index]!.effectiveWeight
  }
  return load / weight
}

/** @param limit What a target of weight 1 may have with one more; some target is always below it, if it is no less than the fair share. */
function highest<Target extends Candidate> (targets: readonly Target[], hash: number, limit: number): Target {
  const first = targets[0]!.effectiveWeight
  let isEven = true
  for (let index = 1; index < targets.length; index++) if (targets[index]!.effectiveWeight !== first) isEven = false
  let best = targets[0]!
  let most = -Infinity
  for (let index = 0; index < targets.length; index++) {
    const target = targets[index]!
    const weight = target.effectiveWeight
    const mixed = mix(hash ^ target.seed)
    // Of equal weights the highest number wins anyway, without the logarithm.
    let score = mixed
    if (!isEven) {
      const part = (mixed + 0.5) / 0x1_0000_0000
      // -ln(x) >= 1 - x, so it cannot win.
      if (weight <= most * (1 - part)) continue
      score = -weight / Math.log(part)
    }
    if (score > most && (limit === Infinity || target.load + 1 <= Math.ceil(limit * weight))) {
      most = score
      best = target
    }
  }
  return best
}

/** A number of 32 bits from a text (FNV-1a, of its UTF-16 code units). */
export function hashOf (text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    if (unit > 0xff) hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  return mix(hash)
}

/** Spreads what differs in a few bits over all 32 (the finaliser of MurmurHash3). */
function mix (value: number): number {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
