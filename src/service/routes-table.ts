import type { RouteStatus } from '../types.js'
import type { UpstreamControl } from '../upstreams/control.js'

/** The routes of a gateway with their upstreams, as a table for people. */
export function routesTable (routes: readonly RouteStatus[], upstreams: readonly UpstreamControl[]): string {
  if (routes.length === 0) return 'There are no routes.'
  const targets = new Map(upstreams.map(({ name, targets }) => [name, targets.map(({ url }) => url).join(', ')]))
  const rows = routes.map(({ url, methods, constraints, upstream, websocket }) => [
    url,
    methods === undefined ? 'all' : methods.join(','),
    websocket ? 'yes' : 'no',
    constraints ?? '',
    upstream ?? '(chosen by code)',
    upstream === undefined || targets.get(upstream) === upstream ? '' : targets.get(upstream) || '(none yet)'
  ])
  const all = [['URL', 'METHODS', 'WEBSOCKET', 'ONLY', 'UPSTREAM', 'TARGETS'], ...rows]
  // A column in which nothing stands is left out.
  const columns = all[0]!.map((_, index) => index).filter(index => rows.some(row => row[index] !== ''))
  const widths = new Map(columns.map(index => [index, Math.max(...all.map(row => row[index]!.length))]))
  return all.map(row => columns.map(index => row[index]!.padEnd(widths.get(index)!)).join('  ').trimEnd()).join('\n')
}
