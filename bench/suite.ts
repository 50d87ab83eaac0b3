import type { Plan } from './arguments.js'
import { Load, Proxy } from './measure.js'
import type { Measure } from './measures.js'
import type { Peer } from './peers/peer.js'
import { compileServers } from './peers/servers/compile.js'
import { Results } from './results.js'

/** Measures all peers, in rounds. */
export async function runSuite (plan: Plan, peers: readonly Peer[], progress: (text: string) => void): Promise<Results> {
  const suite = new Suite(plan, await Load.start(), progress)
  await compileServers()
  const begun = performance.now()
  for (let round = 0; round < plan.rounds; round++) {
    const elapsed = performance.now() - begun
    if (round > 0 && elapsed + elapsed / round > plan.timeLimit) {
      progress(`No time for more than ${round} of ${plan.rounds} rounds`)
      break
    }
    progress(`Round ${round + 1} of ${plan.rounds}`)
    // Whoever is first meets another machine than whoever is last.
    suite.results.rounds++
    await suite.run(round, peers.map((_, index) => peers[(index + round) % peers.length]!))
  }
  return suite.results
}

class Suite {
  readonly results = new Results()
  readonly #plan: Plan
  readonly #load: Load
  readonly #progress: (text: string) => void

  constructor (plan: Plan, load: Load, progress: (text: string) => void) {
    this.#plan = plan
    this.#load = load
    this.#progress = progress
  }

  async run (round: number, peers: readonly Peer[]): Promise<void> {
    for (const sitting of sittingsOf(this.#plan.measures)) {
      const lives = this.#plan.lives[sitting[0]!.leg]
      for (let life = 0; life < lives; life++) await this.#sit(round * lives + life, sitting, peers)
    }
    if (this.#plan.memory) await this.#measureMemory(round, peers.filter(({ legs }) => legs.includes('ws')))
  }

  /** Measures fresh processes of all peers: one measure after another, and for each one peer after another. */
  async #sit (sample: number, sitting: readonly Measure[], peers: readonly Peer[]): Promise<void> {
    const proxies: Proxy[] = []
    for (const peer of peers.filter(peer => sitting.some(measure => isFor(peer, measure)))) {
      await this.#try(peer.name, async () => { proxies.push(await Proxy.start(peer, this.#load, sitting[0]!.tlsSide)) })
    }
    for (const [index, measure] of sitting.entries()) {
      const isWarm = sitting.slice(0, index).some(({ warmUp }) => warmUp === 'long')
      this.#progress(`  ${measure.title}`)
      for (const proxy of proxies.filter(({ peer }) => isFor(peer, measure))) {
        await this.#try(`${proxy.peer.name}, ${measure.title}`, async () => {
          this.results.addLoad(sample, measure.id, proxy.peer.name, await this.#load.run(proxy, measure.operation, this.#limits(measure, proxy.peer, isWarm)))
        })
      }
    }
    await Promise.all(proxies.map(proxy => proxy.stop()))
  }

  async #measureMemory (round: number, peers: readonly Peer[]): Promise<void> {
    this.#progress('  WebSocket, idle sessions')
    for (const peer of peers) {
      await this.#try(`${peer.name}, idle sessions`, async () => {
        const proxy = await Proxy.start(peer, this.#load)
        try {
          this.results.addMemory(round, peer.name, await this.#load.memoryPerSession(proxy, this.#plan.idleSessions))
        } finally {
          await proxy.stop()
        }
      })
    }
  }

  #limits ({ leg, connections, maxOperations, warmUp }: Measure, { isNode }: Peer, isWarm: boolean) {
    const window = this.#plan.window / this.#plan.lives[leg]
    // A native proxy has nothing to compile.
    return { connections, maxOperations, window, warmUp: isNode ? this.#plan.warmUp[isWarm ? 'short' : warmUp] : 20, patience: 8 * window }
  }

  /** A peer that fails is left out of that one measurement, and the report says so. */
  async #try (what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.#load.hasExited) throw error
      const failure = `${what}: ${(error as Error).message}`
      this.results.failures.push(failure)
      this.#progress(`    ${failure}`)
    }
  }
}

/** Measures by the processes that they share: those of one leg, with TLS on the same side. */
function sittingsOf (measures: readonly Measure[]): Measure[][] {
  const sittings = new Map<string, Measure[]>()
  for (const measure of measures) {
    const key = `${measure.leg} ${measure.tlsSide}`
    sittings.set(key, [...sittings.get(key) ?? [], measure])
  }
  return [...sittings.values()]
}

const isFor = ({ legs, only }: Peer, { id, leg }: Measure) => legs.includes(leg) && (only === undefined || only === id)
