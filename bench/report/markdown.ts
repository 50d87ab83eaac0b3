import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Plan } from '../arguments.js'
import type { Leg, Peer } from '../peers/peer.js'
import { processorName } from '../proc.js'
import { isPinned } from '../processes.js'
import type { Results } from '../results.js'
import { costTable, goalTable, paceTable, ratioTable, type Table } from './tables.js'
import { legNames } from './text.js'

export const chartFile = (leg: Leg): string => `benchmarks-${leg === 'ws' ? 'websocket' : leg}.svg`

/** docs/benchmarks.md. */
export function markdownReport (results: Results, peers: readonly Peer[], plan: Plan): string {
  return [
    '# Benchmarks',
    '<!-- Written by `npm run bench`. -->',
    'What a proxy costs: the CPU time of its process, user and system, for each message, request or session that passes. `npm run bench` measures this side by side and writes this page; `npm run bench:profile` tells which functions take the time.',
    setting(results, plan),
    ...plan.legs.flatMap(leg => [
      `## ${legNames[leg]}`,
      `![CPU time by proxy; shorter is better](${chartFile(leg)})`,
      ...[costTable, ratioTable, paceTable].map(make => asMarkdown(make(results, peers, leg)))
    ]),
    goals(results, peers),
    notes(),
    ...(results.failures.length > 0 ? ['## Failures', results.failures.map(failure => `- ${failure}`).join('\n')] : []),
    method(plan),
    peerList(peers)
  ].filter(section => section !== '').join('\n\n') + '\n'
}

function setting ({ rounds }: Results, { quick }: Plan): string {
  const pinned = isPinned ? '' : ' The processes could not be pinned to cores, so these numbers say little.'
  return `Measured on ${new Date().toISOString().slice(0, 10)}: ${processorName()}, Linux ${release()}, Node.js ${process.versions.node}; ` +
    `${rounds === 1 ? 'one round' : `medians of ${rounds} interleaved rounds`}${quick ? ' of the quick kind' : ''}.${pinned}`
}

function goals (results: Results, peers: readonly Peer[]): string {
  const table = goalTable(results, peers)
  return table.rows.length === 0 ? '' : `## Goals\n\n${rowsOf(table)}`
}

/** What no measurement tells: written by hand. */
function notes (): string {
  const file = new URL('notes.md', import.meta.url)
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
}

const method = ({ idleSessions, lives }: Plan) => `## Method

- Each proxy is one process, pinned to the first core. The target and the load are one process on the second, the same for all.
- Each connection has one operation in flight: what is slower gets less, and nothing piles up. A WebSocket message is echoed by the target, so it passes the proxy twice and counts once. "Opened and closed" is a handshake, a Close from the client, its response, and the end of both connections.
- A proxy in Node.js is warm when it is measured. All peers take their turns within a round; a ratio is the median of the ratios of the rounds.
- Over TLS, the proxy speaks it either with the client or with the target, in processes of their own: TLS 1.3, TLS_AES_256_GCM_SHA384, a self-signed certificate that no proxy verifies. The connections are open before anything is counted.
- HTTP is measured with \`X-Forwarded-*\` (but @fastify/http-proxy has none), without an access log, and in sluice with a UUID as the id of each request; metrics sluice has none yet. "sluice + log" writes its access log, a line for a request and one for its response, to /dev/null.
${lives.http > 1 ? manyProcesses(lives.http) : ''}- Where a pace stands behind ≥, the load and not the proxy has set it. CPU time is told all the same.
- Latencies are those of the load at full pace: 64 connections with a message or request each, 32 with a handshake each.
- Memory is what ${idleSessions.toLocaleString('en')} sessions add to the resident memory of a fresh process that has 1,000 open, divided by their number; garbage is collected before, where that can be asked for.
- A target that answers in a microsecond, on loopback: these are the costs of the proxy alone. They say nothing of a network.`

const manyProcesses = (lives: number) => `- HTTP is measured on ${lives} fresh processes of each proxy in a round, for less time each, and what is told is the median over all of them. A long body may cost one process in Node.js twice as much as the next, as long as it lives: its malloc (glibc's) either keeps the memory of a buffer or gives it back to the system, and the pages are faulted in anew for the next one.
`

const peerList = (peers: readonly Peer[]) =>
  `## Peers\n\n${peers.map(({ name, what, version }) => `- ${name} ${version()}: ${what}`).join('\n')}\n\n` +
  'nginx streams bodies (`proxy_request_buffering off`, `proxy_max_temp_file_size 0`), as all others do. Their configuration is in `bench/peers/`. A peer that is not installed is left out. Packages that are not among the dev dependencies are looked for in the `node_modules` of the folder that `$BENCH_PEERS` names; `$BENCH_SLUICE` and `$BENCH_BASELINE` name the `index.js` of other builds of sluice, to measure and to compare with.'

const asMarkdown = (table: Table) => `### ${table.title}\n\n${rowsOf(table)}`

function rowsOf ({ head, rows }: Table): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, column) => column === 0 ? '---' : '--:')), ...rows.map(line)].join('\n')
}
