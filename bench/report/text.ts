import type { Leg, Peer } from '../peers/peer.js'
import type { Results } from '../results.js'
import { costTable, goalTable, paceTable, ratioTable, type Table } from './tables.js'

export const legNames: Record<Leg, string> = { ws: 'WebSocket', tls: 'WebSocket over TLS', http: 'HTTP' }

/** The report as the terminal shows it. */
export function textReport (results: Results, peers: readonly Peer[], legs: readonly Leg[]): string {
  const tables = legs.flatMap(leg => [costTable, ratioTable, paceTable].map(make => {
    const table = make(results, peers, leg)
    return { ...table, title: `${legNames[leg]}: ${table.title}` }
  }))
  return [...tables, goalTable(results, peers)].filter(({ rows }) => rows.length > 0).map(asText).join('\n\n')
}

function asText ({ title, head, rows }: Table): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map(row => row[column]!.length)))
  const line = (cells: string[]) => cells.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join('   ')
  return [title, line(head), ...rows.map(line)].join('\n')
}
