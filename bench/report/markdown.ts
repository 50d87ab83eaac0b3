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
    'What a proxy costs: the CPU time of its process, user and system, for each message, request or session that passes through it. `npm run bench` measures this side by side and writes this page; `npm run bench:profile` shows which functions take the time.',
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

- Each proxy is one process, pinned to the first core. The target and the load generator are one process on the second core, the same for all.
- Each connection has one operation in flight: a slower proxy gets fewer operations, and nothing piles up. A WebSocket message is echoed by the target, so it passes through the proxy twice and counts once. "Opened and closed" is a handshake, a Close from the client, the Close in response, and the end of both connections.
- A proxy in Node.js is warm when it is measured. All peers take turns within a round; a ratio is the median of the ratios of the rounds.
- Over TLS, the proxy uses TLS either with the client or with the target, in separate processes: TLS 1.3, TLS_AES_256_GCM_SHA384, a self-signed certificate that no proxy verifies. The connections are open before anything is counted.
- HTTP is measured with \`X-Forwarded-*\` (but @fastify/http-proxy has none), without an access log, and in sluice with a UUID as the id of each request; sluice counts its metrics. "service + log" writes its access log, one line for a request, to /dev/null.
${lives.http > 1 ? manyProcesses(lives.http) : ''}- If a rate is marked with ≥, it was limited by the load generator and not by the proxy. CPU time is reported nevertheless.
- Latencies are those at full load: 64 connections with one message or request each, 32 with one handshake each.
- Memory is what ${idleSessions.toLocaleString('en')} sessions add to the resident memory of a fresh process that has 1,000 open, divided by their number; garbage is collected before, if that can be requested.
- The target responds within a microsecond, on loopback: these are the costs of the proxy alone. They say nothing about a network.`

const manyProcesses = (lives: number) => `- HTTP is measured on ${lives} fresh processes of each proxy in a round, for less time each, and the median over all of them is reported. A long body can cost one Node.js process twice as much as the next, for as long as the process lives: its malloc (glibc's) either keeps the memory of a buffer or returns it to the system, in which case the pages have to be faulted in again for the next buffer.
`

const peerList = (peers: readonly Peer[]) =>
  `## Peers\n\n${peers.map(({ name, what, version }) => `- ${name} ${version()}: ${what}`).join('\n')}\n\n` +
  'nginx streams bodies (`proxy_request_buffering off`, `proxy_max_temp_file_size 0`), as all others do. The configuration of the peers is in `bench/peers/`. A peer that is not installed is omitted. Packages that are not among the dev dependencies are looked up in the `node_modules` of the folder that `$BENCH_PEERS` names; `$BENCH_SLUICE` and `$BENCH_BASELINE` name the `index.js` of other builds of sluice, to measure and to compare with.'

const asMarkdown = (table: Table) => `### ${table.title}\n\n${rowsOf(table)}`

function rowsOf ({ head, rows }: Table): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, column) => column === 0 ? '---' : '--:')), ...rows.map(line)].join('\n')
}
