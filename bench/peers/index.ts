import { caddy, haproxy, nginx } from './native.js'
import { baseline, fastifyHttpProxy, httpProxy, httpxy, pipe, sluice, sluiceWithLog } from './node.js'
import type { Peer } from './peer.js'

/** All that can be measured, in the order of the tables. */
export const peers: readonly Peer[] = [sluice, sluiceWithLog, ...(process.env.BENCH_BASELINE === undefined ? [] : [baseline]), httpProxy, httpxy, fastifyHttpProxy, pipe, nginx, haproxy, caddy]
