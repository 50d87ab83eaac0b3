import { closeSession, closeSessions } from './api.js'
import { ask } from './dialog.js'
import { addLine, button, byId, element, hiddenText, setOptions, setText } from './dom.js'
import { age, bytes, bytesPerSecond, clock, count, plural } from './format.js'
import { notify } from './notices.js'
import { FIRST_SIZE, Pager } from './pager.js'
import type { RouteRow, SessionFilter, SessionOrder, SessionRow, SessionView, UpstreamRow } from './protocol.js'
import { serverNow } from './server-clock.js'
import { Table } from './table.js'

/** Milliseconds that somebody who types is given before the server is asked. */
const TYPING = 200
/** Milliseconds within which the list that was asked for comes. */
const AWAITED = 1_500

const text = byId('sessions-text', HTMLInputElement)
const route = byId('sessions-route', HTMLSelectElement)
const upstream = byId('sessions-upstream', HTMLSelectElement)
const target = byId('sessions-target', HTMLSelectElement)
const client = byId('sessions-client', HTMLInputElement)
const clear = byId('sessions-clear', HTMLButtonElement)
const closeAll = byId('sessions-close', HTMLButtonElement)
const empty = byId('sessions-empty', HTMLElement)
const heading = byId('sessions-title', HTMLElement)

interface List { total: number, matching: number, offset: number, sessions: SessionRow[] }

/** The live sessions. The server filters, sorts and pages them, so that there may be any number. */
export class Sessions {
  readonly #table: Table<SessionRow>
  readonly #pager: Pager
  readonly #onView: (view: SessionView) => void
  #sort: SessionOrder = 'age'
  #descending = true
  #list: List = { total: 0, matching: 0, offset: 0, sessions: [] }
  #typing: number | undefined
  #askedAt = -Infinity

  /** @param onView Asks the server for other sessions. */
  constructor (onView: (view: SessionView) => void) {
    this.#onView = onView
    this.#table = new Table<SessionRow>({
      label: 'Open sessions',
      heading,
      keyOf: ({ id }) => id,
      sorting: { by: this.#sort, descending: this.#descending },
      onSort: ({ by, descending }) => {
        this.#sort = by as SessionOrder
        this.#descending = descending
        this.#showFirst()
      },
      columns: [
        { label: 'Client', sort: 'client', className: 'name', fill: fillClient },
        { label: 'Route', sort: 'route', className: 'name', fill: fillRoute },
        { label: 'Target', className: 'name', fill: fillTarget },
        { label: 'Age', sort: 'age', reversed: true, className: 'number', fill: fillAge },
        { label: 'Rate', sort: 'rate', className: 'number', fill: cell => fillDirections(cell, row => [bytesPerSecond(row.rateFromClient), bytesPerSecond(row.rateFromTarget)]) },
        { label: 'Messages', sort: 'messages', className: 'number', fill: cell => fillDirections(cell, row => [`${count(row.messagesFromClient)} (${bytes(row.bytesFromClient)})`, `${count(row.messagesFromTarget)} (${bytes(row.bytesFromTarget)})`]) },
        { label: 'Actions', className: 'actions', fill: cell => this.#fillActions(cell) }
      ]
    })
    this.#pager = new Pager('sessions', FIRST_SIZE, () => this.#ask())
    byId('sessions-list', HTMLElement).append(this.#table.element, this.#pager.element)
    for (const field of [text, client]) {
      field.addEventListener('input', () => {
        window.clearTimeout(this.#typing)
        this.#typing = window.setTimeout(() => this.#showFirst(), TYPING)
      })
    }
    for (const field of [route, upstream, target]) field.addEventListener('change', () => this.#showFirst())
    clear.addEventListener('click', () => this.filter({}))
    closeAll.addEventListener('click', () => this.#askToCloseAll())
    this.#ask()
  }

  setList (list: List): void {
    this.#list = list
  }

  /** Whether somebody waits for a list, which is therefore shown even while the page is paused. */
  get isAwaited (): boolean {
    return performance.now() - this.#askedAt < AWAITED
  }

  /** Offers what there is to filter by. */
  offerRoutes (routes: readonly RouteRow[]): void {
    setOptions(route, unique(routes.filter(({ websocket }) => websocket).map(({ url }) => url)))
  }

  offerUpstreams (upstreams: readonly UpstreamRow[]): void {
    setOptions(upstream, unique(upstreams.map(({ name }) => name)))
    setOptions(target, unique(upstreams.flatMap(({ targets }) => targets.map(({ url }) => url))))
  }

  filter (filter: SessionFilter): void {
    text.value = filter.text ?? ''
    client.value = filter.client ?? ''
    for (const [field, value = ''] of [[route, filter.route], [upstream, filter.upstream], [target, filter.target]] as const) {
      field.value = value
      if (field.value === value) continue
      field.add(new Option(value, value))
      field.value = value
    }
    this.#showFirst()
  }

  render (): void {
    const { total, matching, sessions } = this.#list
    this.#pager.update(matching)
    this.#table.update(sessions)
    this.#table.element.hidden = sessions.length === 0
    empty.hidden = sessions.length > 0
    setText(empty, total === 0 ? 'There are no open sessions.' : 'No sessions match the filter.')
    const isFiltered = Object.keys(this.#filter).length > 0
    setText(byId('sessions-count', HTMLElement), isFiltered ? `${count(matching)} of ${count(total)}` : count(total))
    setText(closeAll, isFiltered ? `Close ${count(matching)} matching…` : 'Close all…')
    closeAll.setAttribute('aria-disabled', String(matching === 0))
    clear.hidden = !isFiltered && clear !== document.activeElement
  }

  get #filter (): SessionFilter {
    const given = { text: text.value.trim(), route: route.value, upstream: upstream.value, target: target.value, client: client.value.trim() }
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
  }

  #showFirst (): void {
    window.clearTimeout(this.#typing)
    this.#pager.offset = 0
    this.#ask()
  }

  #ask (): void {
    this.#askedAt = performance.now()
    this.#onView({ filter: this.#filter, sort: this.#sort, descending: this.#descending, offset: this.#pager.offset, limit: this.#pager.limit })
  }

  #fillActions (cell: HTMLElement): (row: SessionRow) => void {
    let row: SessionRow
    const name = hiddenText()
    const close = button('Close', 'danger', () => this.#askToClose(row))
    close.dataset.action = 'close'
    close.append(name)
    cell.append(close)
    return now => {
      row = now
      setText(name, ` the session of ${now.user ?? now.client} at ${now.route}`)
    }
  }

  #askToClose (row: SessionRow): void {
    ask({
      title: 'Close this session?',
      text: 'Client and target get a Close with this code and reason.',
      facts: [
        ['Client', row.user == null ? row.client : `${row.user}, ${row.client}`],
        ['Route', row.route],
        ['Target', row.target],
        ['Open for', age(serverNow() - row.openedAt)]
      ],
      close: true,
      confirm: 'Close session',
      fallback: heading,
      act: async (code, reason) => {
        await closeSession(row.id, code, reason)
        notify('1 session closed')
      }
    })
  }

  #askToCloseAll (): void {
    const { matching } = this.#list
    if (matching === 0) return
    const filter = this.#filter
    const facts = Object.entries(filter).map(([name, value]): [string, string] => [name[0]!.toUpperCase() + name.slice(1), String(value)])
    ask({
      title: `Close ${plural(matching, 'session')}?`,
      text: facts.length === 0 ? 'Every open session of this gateway gets a Close with this code and reason.' : 'All sessions that match the filter by then get a Close with this code and reason.',
      facts,
      ...facts.length === 0 && { warning: 'No filter is set: this disconnects every client.' },
      close: true,
      confirm: `Close ${plural(matching, 'session')}`,
      fallback: heading,
      act: async (code, reason) => {
        notify(`${plural(await closeSessions(filter, code, reason), 'session')} closed`)
      }
    })
  }
}

function unique (values: string[]): string[] {
  return [...new Set(values)].sort()
}

function fillClient (cell: HTMLElement): (row: SessionRow) => void {
  const user = addLine(cell)
  const address = addLine(cell, 'code')
  return row => {
    user(row.user ?? '')
    address(row.client)
  }
}

function fillRoute (cell: HTMLElement): (row: SessionRow) => void {
  const url = addLine(cell, 'code')
  const subprotocol = addLine(cell, 'soft')
  return row => {
    url(row.route)
    subprotocol(row.subprotocol ?? '')
  }
}

function fillTarget (cell: HTMLElement): (row: SessionRow) => void {
  const url = addLine(cell, 'code')
  const name = addLine(cell, 'soft')
  return row => {
    url(row.target)
    const reconnects = row.reconnects === 0 ? '' : row.reconnects === 1 ? 'reconnected once' : `reconnected ${row.reconnects} times`
    name([row.upstream === row.target ? '' : row.upstream, reconnects].filter(text => text !== '').join(', '))
  }
}

function fillAge (cell: HTMLElement): (row: SessionRow) => void {
  return ({ openedAt }) => {
    setText(cell, age(serverNow() - openedAt))
    cell.title = `since ${clock(openedAt)}`
  }
}

/** What goes each way, with an arrow to see and words to hear. */
function fillDirections (cell: HTMLElement, textsOf: (row: SessionRow) => [fromClient: string, fromTarget: string]): (row: SessionRow) => void {
  const texts = [['↑', 'from the client: '], ['↓', 'from the target: ']].map(([arrow = '', name = '']) => {
    const value = element('span')
    const shown = element('span', 'direction', arrow)
    shown.setAttribute('aria-hidden', 'true')
    cell.append(element('div', 'line', hiddenText(name), value, ' ', shown))
    return value
  })
  return row => { textsOf(row).forEach((text, index) => setText(texts[index]!, text)) }
}
