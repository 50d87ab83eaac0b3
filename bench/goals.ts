import { measures } from './measures.js'
import type { Peer } from './peers/peer.js'
import type { Results } from './results.js'

/** What sluice is to reach, in one run. */
interface Goal {
  /** A measure, or 'memory'. */
  of: string
  /** At most so many times what the cheapest of these needs. */
  times: number
  peers: readonly string[]
}

/** What an idle session may cost, in KiB. */
const MEMORY_LIMIT = 13

const MEMORY_TITLE = 'WebSocket, memory of an idle session'

const NODE_RELAYS = ['http-proxy', 'httpxy', 'pipe']
const NODE_PEERS = [...NODE_RELAYS, '@fastify/http-proxy']

const goals: readonly Goal[] = [
  { of: 'ws-64b', times: 0.8, peers: NODE_RELAYS },
  { of: 'ws-64b', times: 1.1, peers: ['haproxy'] },
  { of: 'ws-64b', times: 1.5, peers: ['nginx'] },
  { of: 'ws-16k', times: 0.65, peers: NODE_RELAYS },
  { of: 'ws-16k', times: 1, peers: ['nginx'] },
  { of: 'ws-16k', times: 1, peers: ['haproxy'] },
  { of: 'ws-1m', times: 0.8, peers: ['pipe'] },
  { of: 'ws-1m', times: 1, peers: ['nginx'] },
  { of: 'ws-handshake', times: 1, peers: ['http-proxy'] },
  { of: 'ws-handshake', times: 0.6, peers: ['@fastify/http-proxy'] },
  { of: 'ws-tls-in-64b', times: 1, peers: NODE_PEERS },
  { of: 'ws-tls-in-16k', times: 1, peers: NODE_PEERS },
  { of: 'ws-tls-out-64b', times: 1, peers: NODE_PEERS },
  { of: 'ws-tls-out-16k', times: 1, peers: NODE_PEERS },
  { of: 'memory', times: 1, peers: ['nginx'] },
  { of: 'http-get', times: 0.55, peers: ['@fastify/http-proxy'] },
  { of: 'http-get', times: 0.65, peers: ['http-proxy'] },
  { of: 'http-get', times: 0.7, peers: ['caddy'] },
  { of: 'http-64k', times: 0.8, peers: ['@fastify/http-proxy'] },
  { of: 'http-download', times: 0.8, peers: ['@fastify/http-proxy'] },
  { of: 'http-upload', times: 0.8, peers: ['@fastify/http-proxy'] }
]

export interface GoalResult {
  measure: string
  /** Whom, or undefined where the limit stands alone. */
  comparedWith: string | undefined
  unit: 'times' | 'KiB'
  limit: number
  reached: number
}

/** How sluice stands; what was not measured is left out. */
export function goalResults (results: Results, peers: readonly Peer[]): GoalResult[] {
  const relative = goals.flatMap(({ of, times, peers: names }): GoalResult[] => {
    const present = names.filter(name => peers.some(peer => peer.name === name))
    const ratios = present
      .map(name => of === 'memory' ? results.memoryRatio('sluice', name) : results.cpuRatio(of, 'sluice', name))
      .filter(ratio => ratio !== undefined)
    if (ratios.length === 0) return []
    return [{
      measure: of === 'memory' ? MEMORY_TITLE : measures.find(({ id }) => id === of)!.title,
      comparedWith: present.length === 1 ? present[0]! : `the cheapest of ${present.join(', ')}`,
      unit: 'times',
      limit: times,
      // Against the cheapest the ratio is the greatest.
      reached: Math.max(...ratios)
    }]
  })
  const memory = results.memory('sluice')
  return memory === undefined ? relative : [...relative, { measure: MEMORY_TITLE, comparedWith: undefined, unit: 'KiB', limit: MEMORY_LIMIT, reached: memory }]
}
