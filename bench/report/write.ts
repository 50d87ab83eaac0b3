import { writeFile } from 'node:fs/promises'
import type { Plan } from '../arguments.js'
import type { Peer } from '../peers/peer.js'
import type { Results } from '../results.js'
import { chart } from './chart.js'
import { chartFile, markdownReport } from './markdown.js'

const docs = new URL('../../docs/', import.meta.url)

/** Writes docs/benchmarks.md and its charts. */
export async function writeReport (results: Results, peers: readonly Peer[], plan: Plan): Promise<void> {
  await writeFile(new URL('benchmarks.md', docs), markdownReport(results, peers, plan))
  for (const leg of plan.legs) await writeFile(new URL(chartFile(leg), docs), chart(results, peers, leg))
}
