import { button, byId, element, setAttribute, setText } from '../../../admin/page/dom.js'
import { NOTHING } from '../../../admin/page/format.js'
import type { LogLine } from '../protocol.js'

/** What a button of the page shows, and what it does. */
export interface TrickOptions {
  id: string
  title: string
  /** What is on the button. */
  label: string
  text: string
  /** Whether much goes over the wire. */
  isTall?: boolean
  /** Does it. What the browser sees and the log line come later. */
  act: () => void
}

/** A row: what a button does, and beside it what the browser saw and what the gateway logged. */
export class Trick {
  readonly #button: HTMLButtonElement
  readonly #seen: HTMLElement
  readonly #line: HTMLElement
  readonly #wire: HTMLElement

  constructor ({ id, title, label, text, isTall = false, act }: TrickOptions) {
    this.#button = button(label, '', () => {
      if (this.isReady) act()
    })
    this.#button.id = id
    this.#seen = element('p', 'seen-slot', 'not yet')
    this.#seen.id = `${id}-seen`
    this.#line = element('p', 'line-slot', 'not yet')
    this.#line.id = `${id}-line`
    this.#wire = element('pre', `wire-text ${isTall ? '' : 'short'}`, 'not yet')
    this.#wire.id = `${id}-wire`
    this.#wire.tabIndex = 0
    this.#wire.role = 'region'
    this.#wire.ariaLabel = `Over the wire: ${title}`
    byId('tricks', HTMLElement).append(element('li', 'trick',
      element('div', 'about', element('h3', '', title), element('p', 'soft', text), this.#button),
      element('div', 'result', element('h4', '', 'The browser saw'), this.#seen, element('h4', '', 'Over the wire'), this.#wire, element('h4', '', 'Log line'), this.#line)
    ))
  }

  get isReady (): boolean {
    return this.#button.ariaDisabled !== 'true'
  }

  set isReady (isReady: boolean) {
    setAttribute(this.#button, 'aria-disabled', String(!isReady))
  }

  begin (): void {
    for (const slot of [this.#seen, this.#wire, this.#line]) setText(slot, 'waiting')
  }

  /** Nothing came of it. */
  fail (text: string): void {
    for (const slot of [this.#wire, this.#line]) setText(slot, NOTHING)
    this.showSeen(text)
  }

  showSeen (text: string): void {
    setText(this.#seen, text)
  }

  /** What of it went over the wire, and the log line. */
  showEnd (wire: string, { text }: LogLine): void {
    setText(this.#wire, wire)
    setText(this.#line, text)
  }
}
