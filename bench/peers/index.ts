import { caddy, haproxy, nginx } from './native.js'
import { baseline, fastifyHttpProxy, httpProxy, httpxy, pipe, services, sluice, variants } from './node.js'
import type { Peer } from './peer.js'

/** All that is measured, in the order of the tables. */
export const peers: readonly Peer[] = [sluice, ...services, ...(process.env.BENCH_BASELINE === undefined ? [] : [baseline]), httpProxy, httpxy, fastifyHttpProxy, pipe, nginx, haproxy, caddy]

/** All that can be measured. */
export const allPeers: readonly Peer[] = [...peers, ...variants]
