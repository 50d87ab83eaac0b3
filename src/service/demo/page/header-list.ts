import { element, hiddenText } from '../../../admin/page/dom.js'
import { icon, type Shape } from '../../../admin/page/icons.js'
import { compareHeaders, type ComparedHeader, type Fate } from './comparison.js'
import type { HeaderPairs } from '../protocol.js'

const FATES: Record<Fate, { text: string, shape: Shape, mood: string }> = {
  removed: { text: 'removed', shape: 'cross', mood: 'bad' },
  changed: { text: 'replaced', shape: 'half', mood: 'warn' },
  added: { text: 'added', shape: 'triangle', mood: 'good' },
  anew: { text: 'for this hop', shape: 'ring', mood: 'warn' },
  kept: { text: 'passed on', shape: 'check', mood: 'soft' }
}

/** What has become of the headers of a request: those that have changed, and behind a click those that have not. */
export class HeaderList {
  readonly #changed = element('ul', 'headers')
  readonly #kept = element('ul', 'headers')
  readonly #summary = element('summary', '', 'Passed on as they came')

  constructor (parent: HTMLElement) {
    parent.append(this.#changed, element('details', '', this.#summary, this.#kept))
  }

  show (sent: HeaderPairs, got: HeaderPairs): void {
    const compared = compareHeaders(sent, got)
    const kept = compared.filter(({ fate }) => fate === 'kept')
    this.#changed.replaceChildren(...compared.filter(({ fate }) => fate !== 'kept').map(row))
    this.#kept.replaceChildren(...kept.map(row))
    this.#summary.textContent = `Passed on as they came: ${kept.length}`
  }
}

function row ({ name, fate, sent, got }: ComparedHeader): HTMLLIElement {
  const { text, shape, mood } = FATES[fate]
  const mark = icon()
  mark.set(shape, mood)
  const value = element('span', 'value')
  if (sent !== undefined && sent !== got) value.append(element('del', '', sent))
  if (sent !== undefined && got !== undefined && sent !== got) value.append(' → ', hiddenText('to the target: '))
  if (got !== undefined) value.append(sent === got ? got : element('ins', '', got))
  return element('li', fate, element('span', 'fate', mark.element, text), element('span', 'name', name, hiddenText(': ')), value)
}
