import { parseArgs } from 'node:util'
import type { Measure } from './measures.js'
import { peers } from './peers/index.js'
import type { Leg, Peer } from './peers/peer.js'

/** What is to be measured, and how thoroughly. */
export interface Plan {
  legs: readonly Leg[]
  peers: readonly Peer[]
  rounds: number
  /** CPU time of a proxy in Node before each measurement, in milliseconds. Native ones have nothing to warm up. */
  warmUp: Record<Measure['warmUp'], number>
  /** CPU time of the proxy in each measurement, in milliseconds. */
  window: number
  idleSessions: number
  /** No round is begun that would end later, in milliseconds. */
  timeLimit: number
  quick: boolean
  /** Whether docs/ is written. */
  write: boolean
}

export const usage = `Usage: npm run bench -- [options]

  --quick           one short round, under 2 minutes
  --only ws|http    one leg
  --peers a,b       these peers: ${peers.map(peer => peer.name).join(', ')}
  --rounds N        how often everything is measured; default 3, with --quick 1
  --write           write docs/benchmarks.md also for a run that is quick or not of everything
  --help`

/** @throws {Error} saying which argument is wrong. */
export function readPlan (args: string[]): Plan | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return 'help'
  if (values.only !== undefined && values.only !== 'ws' && values.only !== 'http') throw new Error(`--only is ws or http, not '${values.only}'`)
  const rounds = values.rounds === undefined ? (values.quick ? 1 : 3) : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds is a number from 1 to 100, not '${values.rounds}'`)
  return {
    legs: values.only === undefined ? ['ws', 'http'] : [values.only],
    peers: values.peers === undefined ? peers : values.peers.split(',').map(peerOf),
    rounds,
    warmUp: values.quick ? { short: 400, long: 1800 } : { short: 800, long: 2500 },
    window: values.quick ? 400 : 1200,
    idleSessions: values.quick ? 1000 : 5000,
    // Who asks for rounds gets them.
    timeLimit: values.rounds === undefined ? 12 * 60_000 : Infinity,
    quick: values.quick,
    write: values.write || (!values.quick && values.only === undefined && values.peers === undefined)
  }
}

export function peerOf (name: string): Peer {
  const peer = peers.find(candidate => candidate.name === name)
  if (peer === undefined) throw new Error(`there is no peer '${name}'; there are ${peers.map(candidate => candidate.name).join(', ')}`)
  return peer
}
