import { UpstreamSelectionError } from '../../errors.js'
import { keyOf } from '../../message/request-key.js'
import type { HashOptions, UpstreamOptions } from '../../options/index.js'
import type { Balancer } from './balancer.js'
import { First } from './first.js'
import { Hash } from './hash.js'
import { LeastLoad } from './least-load.js'
import { RandomTwo } from './random-two.js'
import { RoundRobin } from './round-robin.js'

export type { Balancer } from './balancer.js'

type Algorithm = 'round-robin' | 'least-load' | 'random-two' | 'first' | HashOptions

/** The balancers of an upstream, one for each leg. */
export interface Balancers {
  request: Balancer
  handshake: Balancer
}

export function balancersOf (balance: UpstreamOptions['balance']): Balancers {
  const isByLeg = typeof balance === 'object' && !('hash' in balance)
  const { requests, handshakes } = isByLeg ? balance : { requests: balance, handshakes: balance }
  return {
    request: balancerOf(requests, new RoundRobin()),
    handshake: balancerOf(handshakes, new LeastLoad())
  }
}

/** @param standard The one that is used by default, and for requests without a key. */
function balancerOf (algorithm: Algorithm | undefined, standard: Balancer): Balancer {
  switch (algorithm) {
    case undefined: return standard
    case 'round-robin': return new RoundRobin()
    case 'least-load': return new LeastLoad()
    case 'random-two': return new RandomTwo()
    case 'first': return new First()
    default: return new Hash(keyOf(algorithm.hash, 'balance.hash', cause => new UpstreamSelectionError({ cause })), algorithm.boundedLoad, standard)
  }
}
