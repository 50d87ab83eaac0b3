import { element, hiddenText, setText } from '../../../admin/page/dom.js'
import { icon } from '../../../admin/page/icons.js'

const NODES = ['client', 'gateway', 'target'] as const
export type NodeName = typeof NODES[number]
const NAMES: Record<NodeName, string> = { client: 'Browser', gateway: 'Gateway', target: 'Target' }
const NOTES: Record<NodeName, string> = { client: 'this page', gateway: 'Sluice', target: "the demo's upstream" }

/** `idle`: nothing there; `open`: used; `closed`: ended with a Close or a response; `cut`: ended without. */
export type HopState = 'idle' | 'open' | 'closed' | 'cut'

interface Hop { item: HTMLElement, there: HTMLElement, back: HTMLElement, mark: ReturnType<typeof icon> }

/** The drawing of a way: browser, gateway and target, and what goes over the two hops between them. */
export class Path {
  readonly #nodes = {} as Record<NodeName, { item: HTMLElement, address: HTMLElement, note: HTMLElement }>
  readonly #hops: Hop[] = []

  constructor (list: HTMLElement) {
    for (const name of NODES) {
      if (name !== 'client') list.append(this.#makeHop().item)
      const address = element('span', 'address', '\u00a0')
      const note = element('span', 'note', NOTES[name])
      const item = element('li', `node ${name}`, element('b', '', NAMES[name]), address, note)
      this.#nodes[name] = { item, address, note }
      list.append(item)
    }
  }

  setAddress (name: NodeName, address: string): void {
    setLine(this.#nodes[name].address, address)
  }

  /** What goes over the first hop (0) or the second (1). */
  setHop (index: 0 | 1, state: HopState, there: string, back: string): void {
    const hop = this.#hops[index]!
    hop.item.dataset.state = state
    hop.mark.set('cross', state === 'cut' ? 'bad' : 'none')
    setLine(hop.there, there)
    setLine(hop.back, back)
  }

  /** Says at a node what has happened there, and at the others what they are. */
  setNote (name: NodeName | undefined, text = ''): void {
    for (const other of NODES) {
      const { item, note } = this.#nodes[other]
      item.classList.toggle('noted', other === name)
      setLine(note, other === name ? text : NOTES[other])
    }
  }

  /** Something passes both hops. Nothing moves for users who want that. */
  pulse (direction: 'there' | 'back'): void {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
    for (const { item } of this.#hops) {
      item.classList.remove('there', 'back')
      // The animation begins anew.
      item.getBoundingClientRect()
      item.classList.add(direction)
    }
  }

  #makeHop (): Hop {
    const mark = icon()
    mark.set('cross', 'none')
    const there = element('span', 'there')
    const back = element('span', 'back')
    const wire = element('span', 'wire', mark.element)
    const item = element('li', 'hop', element('span', 'text', hiddenText('there: '), there), wire, element('span', 'text', hiddenText('back: '), back))
    item.dataset.state = 'idle'
    const hop = { item, there, back, mark }
    this.#hops.push(hop)
    return hop
  }
}

/** Sets a text that the style sheet cuts off where there is no room for it. */
function setLine (line: HTMLElement, text: string): void {
  setText(line, text)
  line.title = text
}
