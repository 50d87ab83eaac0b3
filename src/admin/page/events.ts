import { addLine, byId, element, setAttribute, setText } from './dom.js'
import { clock, count } from './format.js'
import { icon, type Shape } from './icons.js'
import { List } from './list.js'
import type { EventLevel, GatewayEvent } from './protocol.js'
import { keyOf, type RecentEvents } from './recent-events.js'

const LEVELS: Record<EventLevel, { text: string, shape: Shape, mood: string }> = {
  info: { text: 'Info', shape: 'ring', mood: 'soft' },
  warn: { text: 'Warning', shape: 'triangle', mood: 'warn' },
  error: { text: 'Error', shape: 'cross', mood: 'bad' }
}

const text = byId('events-text', HTMLInputElement)
const kind = byId('events-kind', HTMLSelectElement)
const level = byId('events-level', HTMLSelectElement)

/** Errors, changes of targets and reloads of the last hour, the newest first. */
export class Events {
  readonly #list: List<GatewayEvent>
  readonly #recent: RecentEvents

  constructor (recent: RecentEvents) {
    this.#recent = recent
    this.#list = new List<GatewayEvent>(byId('events-list', HTMLElement), {
      name: 'events',
      label: 'Events of the last hour, the newest first',
      heading: byId('events-title', HTMLElement),
      limit: 10,
      keyOf,
      isShown,
      columns: [
        { label: 'Time', className: 'short', fill: cell => ({ at }) => setText(cell, clock(at)) },
        { label: 'Level', className: 'short', fill: fillLevel },
        { label: 'What', className: 'wide', fill: fillText },
        { label: 'Where', className: 'name', fill: fillPlace },
        { label: 'Times', className: 'number', fill: cell => ({ count: times = 1 }) => setText(cell, count(times)) }
      ]
    })
    text.addEventListener('input', () => this.#list.showFirst())
    kind.addEventListener('change', () => this.#list.showFirst())
    level.addEventListener('change', () => this.#list.showFirst())
  }

  filter (by: string): void {
    text.value = by
    kind.value = ''
    level.value = ''
    this.#list.showFirst()
  }

  render (): void {
    this.#list.setRows(this.#recent.list())
    this.#list.render()
    setText(byId('events-count', HTMLElement), count(this.#recent.size))
  }
}

function isShown (event: GatewayEvent): boolean {
  if (kind.value !== '' && event.kind !== kind.value) return false
  if (level.value === 'error' && event.level !== 'error') return false
  if (level.value === 'warn' && event.level === 'info') return false
  return [event.text, event.route, event.upstream, event.target].join('\n').toLowerCase().includes(text.value.trim().toLowerCase())
}

function fillLevel (cell: HTMLElement): (event: GatewayEvent) => void {
  const mark = icon()
  const name = element('span')
  cell.append(element('div', 'line', mark.element, name))
  return event => {
    const { text, shape, mood } = LEVELS[event.level]
    mark.set(shape, mood)
    setText(name, text)
  }
}

function fillText (cell: HTMLElement): (event: GatewayEvent) => void {
  const what = addLine(cell)
  return event => {
    what(event.text)
    setAttribute(cell, 'data-kind', event.kind)
  }
}

function fillPlace (cell: HTMLElement): (event: GatewayEvent) => void {
  const route = addLine(cell, 'code')
  const target = addLine(cell, 'soft')
  return event => {
    route(event.route ?? '')
    target([event.upstream, event.target].filter(Boolean).join(' · '))
  }
}
