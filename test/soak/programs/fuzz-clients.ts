import type { Address } from '../addresses.js'
import { FuzzClient } from '../fuzz/client.js'
import { probe } from '../fuzz/probe.js'
import { serve, times } from '../program.js'

/** The clients of the fuzzer, in a process of their own. */

/** Connections at a time. */
const AT_A_TIME = 400

let seed = 0
let addresses: Record<string, Address> = {}

export interface Batch {
  failures: string[]
  /** How many connections there were of each kind, and what they received. */
  counts: Record<string, number>
  /** The connections that were there when the gateway was not any more. */
  suspects: number[]
}

const answers = {
  start (settings: { seed: number, addresses: Record<string, Address> }): void {
    ({ seed, addresses } = settings)
  },

  /** The clients of these numbers, at most so many a second. */
  async run ({ from, to, rate }: { from: number, to: number, rate: number }): Promise<Batch> {
    const batch: Batch = { failures: [], counts: {}, suspects: [] }
    const open = new Map<number, string>()
    const recent: number[] = []
    const count = (name: string): void => { batch.counts[name] = (batch.counts[name] ?? 0) + 1 }
    const started = performance.now()
    await times(to - from, AT_A_TIME, async index => {
      const early = index * 1000 / rate - (performance.now() - started)
      if (early > 0) await new Promise(resolve => setTimeout(resolve, early))
      // The gateway is gone.
      if (batch.suspects.length > 0) return
      const client = new FuzzClient(seed, from + index, addresses)
      open.set(from + index, client.kind)
      const { kind, fault, received } = await client.run()
      open.delete(from + index)
      recent.push(from + index)
      if (recent.length > 100) recent.shift()
      count(kind)
      count(received)
      if (fault === undefined) return
      if (/ECONNREFUSED|ENOENT/.test(fault)) batch.suspects = [...open.keys(), ...recent]
      else if (batch.failures.length < 10 && (kind.includes('checked') || fault.startsWith('got '))) batch.failures.push(`connection ${from + index}, ${kind}: ${fault}`)
    })
    return batch
  },

  /** Asks every listener for what it must serve; gives what was wrong. */
  probe: async (number: number) => await probe(seed, number, addresses)
}

export type FuzzClientsResponses = typeof answers
serve(answers)
