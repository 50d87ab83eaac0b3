import { setTargetState } from './api.js'
import { ask } from './dialog.js'
import { addLine, button, byId, element, hiddenText, setText } from './dom.js'
import { age, count, plural } from './format.js'
import { icon, type Shape } from './icons.js'
import { List } from './list.js'
import { notify } from './notices.js'
import { isServing } from './problems.js'
import type { TargetRow, TargetState, UpstreamRow } from './protocol.js'
import { serverNow } from './server-clock.js'

interface Row extends TargetRow { upstream: UpstreamRow }

const HEALTH: Record<TargetRow['health'], { text: string, shape: Shape, mood: string }> = {
  healthy: { text: 'Healthy', shape: 'circle', mood: 'good' },
  ejected: { text: 'Ejected', shape: 'triangle', mood: 'warn' },
  down: { text: 'Down', shape: 'cross', mood: 'bad' }
}

const STATES: Record<TargetState, { text: string, shape: Shape, action: string, title: string, consequence: (row: Row) => string }> = {
  ready: {
    text: '',
    shape: 'circle',
    action: 'Ready',
    title: 'Take this target back into service?',
    consequence: () => 'It gets requests and sessions again.'
  },
  drain: {
    text: 'Draining',
    shape: 'half',
    action: 'Drain',
    title: 'Drain this target?',
    consequence: ({ sessions }) => `It gets nothing new, except from clients that a sticky cookie keeps there.${sessionsOf(sessions, 'stay open', 'stays open')}`
  },
  maintenance: {
    text: 'In maintenance',
    shape: 'square',
    action: 'Maintenance',
    title: 'Put this target into maintenance?',
    consequence: ({ sessions }) => `It gets nothing at all.${sessionsOf(sessions, 'are ended', 'is ended')}`
  }
}

const text = byId('targets-text', HTMLInputElement)
const status = byId('targets-status', HTMLSelectElement)
const heading = byId('upstreams-title', HTMLElement)

/** Upstreams and their targets. */
export class Upstreams {
  readonly #list: List<Row>

  /** @param showSessions Shows the sessions of a target. */
  constructor (showSessions: (upstream: string, target: string) => void) {
    this.#list = new List<Row>(byId('targets-list', HTMLElement), {
      name: 'targets',
      label: 'Targets by upstream',
      heading,
      limit: 50,
      keyOf: ({ upstream, url, priority }) => JSON.stringify([upstream.name, url, priority]),
      groupOf: ({ upstream }) => ({ name: upstream.name, note: noteOf(upstream) }),
      isShown,
      columns: [
        { label: 'Target', className: 'name', fill: fillName },
        { label: 'Status', className: 'status', fill: fillStatus },
        { label: 'In progress', className: 'number', fill: fillLoad },
        { label: 'Sessions', className: 'number', fill: cell => fillSessions(cell, showSessions) },
        { label: 'Failures', className: 'number', fill: cell => ({ failures }) => setText(cell, count(failures)) },
        { label: 'Weight', className: 'number', fill: cell => ({ weight, priority }) => setText(cell, priority === 0 ? count(weight) : `${count(weight)}, priority ${count(priority)}`) },
        { label: 'Actions', className: 'actions', fill: cell => this.#fillActions(cell) }
      ]
    })
    text.addEventListener('input', () => this.#list.showFirst())
    status.addEventListener('change', () => this.#list.showFirst())
  }

  setUpstreams (upstreams: readonly UpstreamRow[]): void {
    const rows = upstreams.flatMap(upstream => upstream.targets.map(target => ({ ...target, upstream })))
    this.#list.setRows(rows)
    setText(byId('upstreams-count', HTMLElement), count(rows.length))
  }

  filter (by: string): void {
    text.value = by
    status.value = by === '' ? 'unhealthy' : ''
    this.#list.showFirst()
  }

  render (): void {
    this.#list.render()
  }

  #fillActions (cell: HTMLElement): (row: Row) => void {
    let row: Row
    const buttons = (['ready', 'drain', 'maintenance'] as const).map(state => {
      const name = hiddenText()
      const made = button(STATES[state].action, '', () => this.#ask(row, state))
      made.dataset.action = state
      made.append(name)
      cell.append(made)
      return { state, button: made, name }
    })
    return now => {
      row = now
      for (const { state, button, name } of buttons) {
        setText(name, ` ${now.url}`)
        // A button that goes while it has the focus hands it on.
        if (state === now.state && button === document.activeElement) buttons.find(other => other.state !== state)!.button.focus()
        button.hidden = state === now.state
      }
    }
  }

  #ask (row: Row, state: TargetState): void {
    const { title, consequence, action } = STATES[state]
    const { url, upstream } = row
    const isLast = state !== 'ready' && isServing(row) && upstream.targets.filter(isServing).length === 1
    ask({
      title,
      text: consequence(row),
      facts: [['Target', url], ['Upstream', upstream.name], ['Open sessions', count(row.sessions)]],
      ...isLast && { warning: `It is the only target of ${upstream.name} that is in service: clients get 503 without it.` },
      confirm: action,
      fallback: heading,
      act: async () => {
        await setTargetState(upstream.name, url, state)
        notify(`${url} is set to ${state}`)
      }
    })
  }
}

function isShown ({ url, health, state, reason, upstream }: Row): boolean {
  if (status.value === 'unhealthy' && health === 'healthy') return false
  if (status.value === 'not-ready' && state === 'ready') return false
  return `${upstream.name}\n${url}\n${reason ?? ''}`.toLowerCase().includes(text.value.trim().toLowerCase())
}

function sessionsOf (sessions: number, ofMany: string, ofOne: string): string {
  return sessions === 0 ? '' : ` Its ${plural(sessions, 'session')} ${sessions === 1 ? ofOne : ofMany}.`
}

function noteOf ({ targets, waiting }: UpstreamRow): string {
  const serving = targets.filter(isServing).length
  return `${serving} of ${plural(targets.length, 'target')} in service${waiting === 0 ? '' : `, ${count(waiting)} waiting`}`
}

function fillName (cell: HTMLElement): (row: Row) => void {
  const url = addLine(cell, 'code')
  return row => url(row.url)
}

function fillStatus (cell: HTMLElement): (row: Row) => void {
  const health = icon()
  const state = icon()
  const healthText = element('span')
  const stateText = element('span')
  const stateLine = element('div', 'line', state.element, stateText)
  cell.append(element('div', 'line', health.element, healthText), stateLine)
  const reason = addLine(cell, 'soft')
  return row => {
    const { text, shape, mood } = HEALTH[row.health]
    health.set(shape, mood)
    setText(healthText, `${text}, ${age(serverNow() - row.since)}`)
    state.set(STATES[row.state].shape, 'warn')
    setText(stateText, STATES[row.state].text)
    stateLine.hidden = row.state === 'ready'
    reason(row.reason ?? '')
  }
}

function fillLoad (cell: HTMLElement): (row: Row) => void {
  const note = element('div', 'soft')
  const requests = element('div')
  cell.append(requests, note)
  return row => {
    setText(requests, plural(row.requests, 'request'))
    setText(note, row.handshakes === 0 ? '' : plural(row.handshakes, 'handshake'))
  }
}

function fillSessions (cell: HTMLElement, showSessions: (upstream: string, target: string) => void): (row: Row) => void {
  let row: Row
  const number = element('span')
  const name = hiddenText()
  const link = button('', 'link', () => showSessions(row.upstream.name, row.url))
  link.dataset.action = 'sessions'
  link.append(number, name)
  cell.append(link)
  return now => {
    row = now
    setText(number, count(now.sessions))
    setText(name, ` sessions of ${now.url}: show`)
  }
}
