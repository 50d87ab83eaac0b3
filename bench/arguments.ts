import { parseArgs } from 'node:util'
import { MEMORY, measures, type Measure } from './measures.js'
import { allPeers, peers } from './peers/index.js'
import { legs, type Leg, type Peer } from './peers/peer.js'

/** What is to be measured, and how thoroughly. */
export interface Plan {
  /** Those that have a measure. */
  legs: readonly Leg[]
  measures: readonly Measure[]
  /** Whether the memory of idle sessions is measured. */
  memory: boolean
  peers: readonly Peer[]
  rounds: number
  /** CPU time of a proxy in Node before each measurement, in milliseconds. Native ones have nothing to warm up. */
  warmUp: Record<Measure['warmUp'], number>
  /** CPU time of the proxy in each measurement, in milliseconds. */
  window: number
  /** How many processes of a proxy share the window of a measure, one after another in each round. */
  lives: Record<Leg, number>
  idleSessions: number
  /** No round is begun that would end later, in milliseconds. */
  timeLimit: number
  quick: boolean
  /** Whether docs/ is written. */
  write: boolean
}

export const usage = `Usage: npm run bench -- [options]

  --quick           one short round, under 2 minutes; over TLS only what is asked for
  --only ws|tls|http  one leg
  --measures a,b    these measures: ${[...measures.map(({ id }) => id), MEMORY].join(', ')}
  --peers a,b       these peers: ${allPeers.map(peer => peer.name).join(', ')}
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
      measures: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return 'help'
  if (values.only !== undefined && !isLeg(values.only)) throw new Error(`--only is one of ${legs.join(', ')}, not '${values.only}'`)
  const rounds = values.rounds === undefined ? (values.quick ? 1 : 3) : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`--rounds is a number from 1 to 100, not '${values.rounds}'`)
  const chosen = values.measures?.split(',') ?? allMeasures(values.only === undefined ? (values.quick ? ['ws', 'http'] : legs) : [values.only])
  for (const id of chosen) if (id !== MEMORY) measureOf(id)
  const memory = chosen.includes(MEMORY)
  const chosenMeasures = measures.filter(({ id }) => chosen.includes(id))
  return {
    legs: legs.filter(leg => (leg === 'ws' && memory) || chosenMeasures.some(measure => measure.leg === leg)),
    measures: chosenMeasures,
    memory,
    peers: values.peers === undefined ? peers : values.peers.split(',').map(peerOf),
    rounds,
    warmUp: values.quick ? { short: 400, long: 1800 } : { short: 800, long: 2500 },
    window: values.quick ? 400 : 1000,
    lives: { ws: 1, tls: 1, http: values.quick ? 1 : 2 },
    idleSessions: values.quick ? 1000 : 5000,
    // Who asks for rounds gets them.
    timeLimit: values.rounds === undefined ? 14 * 60_000 : Infinity,
    quick: values.quick,
    write: values.write || (!values.quick && values.only === undefined && values.measures === undefined && values.peers === undefined)
  }
}

const isLeg = (name: string): name is Leg => (legs as readonly string[]).includes(name)

function allMeasures (of: readonly Leg[]): string[] {
  return [...measures.filter(({ leg }) => of.includes(leg)).map(({ id }) => id), ...(of.includes('ws') ? [MEMORY] : [])]
}

export function measureOf (id: string): Measure {
  const measure = measures.find(candidate => candidate.id === id)
  if (measure === undefined) throw new Error(`there is no measure '${id}'; there are ${measures.map(candidate => candidate.id).join(', ')}`)
  return measure
}

export function peerOf (name: string): Peer {
  const peer = allPeers.find(candidate => candidate.name === name)
  if (peer === undefined) throw new Error(`there is no peer '${name}'; there are ${allPeers.map(candidate => candidate.name).join(', ')}`)
  return peer
}
