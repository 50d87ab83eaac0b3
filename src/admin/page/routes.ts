import { addLine, button, byId, element, hiddenText, setText } from './dom.js'
import { count, milliseconds, NOTHING, perSecond } from './format.js'
import { List } from './list.js'
import { FIRST_SIZE } from './pager.js'
import type { RouteRow } from './protocol.js'

const text = byId('routes-text', HTMLInputElement)
const kind = byId('routes-kind', HTMLSelectElement)

interface Row extends RouteRow { key: string }

/** The routes, the failing ones first. */
export class Routes {
  readonly #list: List<Row>

  /** @param showSessions Shows the sessions of a route. */
  constructor (showSessions: (route: string) => void) {
    this.#list = new List<Row>(byId('routes-list', HTMLElement), {
      name: 'routes',
      label: 'Routes',
      heading: byId('routes-title', HTMLElement),
      limit: FIRST_SIZE,
      keyOf: ({ key }) => key,
      isShown,
      sortKey,
      sorting: { by: 'errors', descending: true },
      columns: [
        { label: 'Route', sort: 'url', className: 'name', fill: fillName },
        { label: 'Upstream', sort: 'upstream', className: 'name', fill: cell => fillUpstream(cell) },
        { label: 'WebSocket', className: 'short', fill: cell => ({ websocket }) => setText(cell, websocket ? 'yes' : 'no') },
        { label: 'Requests/s', sort: 'requests', className: 'number', fill: cell => ({ requests }) => setText(cell, perSecond(requests)) },
        { label: 'Errors/s', sort: 'errors', className: 'number', fill: fillErrors },
        { label: 'p50', sort: 'p50', className: 'number', fill: cell => ({ p50 }) => setText(cell, milliseconds(p50)) },
        { label: 'p99', sort: 'p99', className: 'number', fill: cell => ({ p99 }) => setText(cell, milliseconds(p99)) },
        { label: 'Sessions', sort: 'sessions', className: 'number', fill: cell => fillSessions(cell, showSessions) }
      ]
    })
    text.addEventListener('input', () => this.#list.showFirst())
    kind.addEventListener('change', () => this.#list.showFirst())
  }

  setRoutes (routes: readonly RouteRow[]): void {
    const seen = new Map<string, number>()
    this.#list.setRows(routes.map(route => {
      const name = JSON.stringify([route.url, route.methods, route.constraints])
      const times = seen.get(name) ?? 0
      seen.set(name, times + 1)
      return { ...route, key: `${times} ${name}` }
    }))
    setText(byId('routes-count', HTMLElement), count(routes.length))
  }

  filter (by: string): void {
    text.value = by
    kind.value = by === '' ? 'errors' : ''
    this.#list.showFirst()
  }

  render (): void {
    this.#list.render()
  }
}

function isShown ({ url, methods, constraints, upstream, websocket, errors }: RouteRow): boolean {
  if (kind.value === 'websocket' && !websocket) return false
  if (kind.value === 'errors' && errors === 0) return false
  return [url, methods?.join(' '), constraints, upstream].join('\n').toLowerCase().includes(text.value.trim().toLowerCase())
}

function sortKey (row: RouteRow, by: string): string | number {
  return row[by as 'url' | 'upstream' | 'requests' | 'errors' | 'p50' | 'p99' | 'sessions'] ?? (by === 'upstream' ? '' : -1)
}

function fillName (cell: HTMLElement): (row: RouteRow) => void {
  const url = addLine(cell, 'code')
  const note = addLine(cell, 'soft')
  return row => {
    url(row.url)
    note([row.methods?.join(', '), row.constraints].filter(Boolean).join(' · '))
  }
}

function fillUpstream (cell: HTMLElement): (row: RouteRow) => void {
  const upstream = addLine(cell)
  return row => upstream(row.upstream ?? 'chosen by code')
}

function fillErrors (cell: HTMLElement): (row: RouteRow) => void {
  const value = element('span')
  cell.append(value)
  return ({ errors }) => {
    setText(value, perSecond(errors))
    value.className = errors > 0 ? 'bad-text' : ''
  }
}

function fillSessions (cell: HTMLElement, showSessions: (route: string) => void): (row: RouteRow) => void {
  let row: RouteRow
  const none = element('span', '', NOTHING)
  const number = element('span')
  const name = hiddenText()
  const link = button('', 'link', () => showSessions(row.url))
  link.dataset.action = 'sessions'
  link.append(number, name)
  cell.append(none, link)
  return now => {
    row = now
    none.hidden = now.websocket
    link.hidden = !now.websocket
    setText(number, count(now.sessions))
    setText(name, ` sessions of ${now.url}: show`)
  }
}
