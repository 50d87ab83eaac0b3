import { byId, element, setAttribute, setText } from './dom.js'
import { bytesPerSecond, count, milliseconds, perSecond, percent } from './format.js'
import { icon } from './icons.js'
import { isServing, type Problem, type Status } from './problems.js'

type Mood = '' | 'warn' | 'bad'

/** A number on top, with what explains it. */
class Tile {
  readonly #element: HTMLElement
  readonly #value = element('dd', 'value')
  readonly #note = element('dd', 'note')
  readonly #mark = icon()

  constructor (parent: HTMLElement, label: string) {
    this.#element = element('div', 'tile', element('dt', '', label), this.#value, this.#note)
    this.#element.append(this.#mark.element)
    parent.append(this.#element)
  }

  set (value: string, note: string, mood: Mood = ''): void {
    setText(this.#value, value)
    setText(this.#note, note)
    setAttribute(this.#element, 'class', `tile ${mood}`)
    this.#mark.set(mood === 'bad' ? 'cross' : 'triangle', mood === '' ? 'none' : mood)
  }
}

/** State and totals, and what is wrong. */
export class Summary {
  readonly #sessions: Tile
  readonly #requests: Tile
  readonly #errors: Tile
  readonly #latency: Tile
  readonly #traffic: Tile
  readonly #targets: Tile
  readonly #list = byId('problems-list', HTMLElement)
  readonly #items: Array<{ element: HTMLElement, set: (problem: Problem) => void }> = []
  readonly #open: (problem: Problem) => void

  /** @param open Shows the part of the page that says more of a problem. */
  constructor (open: (problem: Problem) => void) {
    this.#open = open
    const tiles = byId('tiles', HTMLElement)
    this.#sessions = new Tile(tiles, 'Open sessions')
    this.#requests = new Tile(tiles, 'Requests/s')
    this.#errors = new Tile(tiles, 'Errors/s')
    this.#latency = new Tile(tiles, 'Latency p99')
    this.#traffic = new Tile(tiles, 'WebSocket traffic')
    this.#targets = new Tile(tiles, 'Targets in service')
  }

  render (status: Status, problems: readonly Problem[]): void {
    const { points, upstreams } = status
    const point = points.at(-1)
    if (point !== undefined) {
      const share = point.requests === 0 ? 0 : Math.min(1, point.errors / point.requests)
      this.#sessions.set(count(point.sessions), `${perSecond(point.handshakes)} handshakes/s`)
      this.#requests.set(perSecond(point.requests), `event loop delay ${milliseconds(point.eventLoop)}`)
      this.#errors.set(perSecond(point.errors), point.errors === 0 ? 'no 5xx responses' : `${percent(share)} of requests`, point.errors === 0 ? '' : share >= 0.05 ? 'bad' : 'warn')
      this.#latency.set(milliseconds(point.p99), `p50 ${milliseconds(point.p50)}`)
      this.#traffic.set(bytesPerSecond(point.bytesFromClients + point.bytesFromTargets), `${perSecond(point.messagesFromClients + point.messagesFromTargets)} messages/s`)
    }
    const targets = upstreams.flatMap(upstream => upstream.targets)
    const serving = targets.filter(isServing).length
    const having = (name: 'health' | 'state', value: string): number => targets.filter(target => target[name] === value).length
    const down = having('health', 'down')
    const ejected = having('health', 'ejected')
    const notes = [[down, 'down'], [ejected, 'ejected'], [having('state', 'drain'), 'drained'], [having('state', 'maintenance'), 'in maintenance']] as const
    const text = notes.filter(([many]) => many > 0).map(([many, name]) => `${count(many)} ${name}`).join(', ')
    this.#targets.set(`${count(serving)} of ${count(targets.length)}`, text === '' ? 'all healthy' : text, down + ejected > 0 ? 'bad' : text === '' ? '' : 'warn')
    this.#renderProblems(problems)
  }

  #renderProblems (problems: readonly Problem[]): void {
    const mood = problems.length === 0 ? 'calm' : problems.some(({ level }) => level === 'error') ? '' : 'warn'
    setAttribute(byId('problems', HTMLElement), 'class', `problems ${mood}`)
    setText(byId('problems-title', HTMLElement), problems.length === 0 ? 'No problems' : problems.length === 1 ? '1 problem' : `${problems.length} problems`)
    setText(byId('problems-none', HTMLElement), problems.length === 0 ? 'All targets are healthy, and there were no errors in the last 30 seconds.' : '')
    problems.forEach((problem, index) => {
      const item = this.#items[index] ?? this.#makeItem()
      item.set(problem)
    })
    for (const { element } of this.#items.splice(problems.length)) element.remove()
  }

  #makeItem (): { element: HTMLElement, set: (problem: Problem) => void } {
    const mark = icon()
    const text = element('a')
    let shown: Problem | undefined
    text.addEventListener('click', event => {
      event.preventDefault()
      if (shown !== undefined) this.#open(shown)
    })
    const item = {
      element: element('li', ''),
      set (problem: Problem): void {
        shown = problem
        mark.set(problem.level === 'error' ? 'cross' : 'triangle', problem.level === 'error' ? 'bad' : 'warn')
        setText(text, problem.text)
        setAttribute(text, 'href', `#${problem.section}`)
      }
    }
    item.element.append(mark.element, text)
    this.#list.append(item.element)
    this.#items.push(item)
    return item
  }
}
