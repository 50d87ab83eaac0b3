import { button, element, setAttribute, setText } from './dom.js'
import { count } from './format.js'

const SIZES = [10, 25, 50, 100]

/** Rows of a page to begin with: fewer where each is a card. */
export const FIRST_SIZE = window.matchMedia('(width < 60rem)').matches ? 10 : 25

/** The buttons below a list that is shown page by page. */
export class Pager {
  readonly element: HTMLElement
  offset = 0
  limit: number
  readonly #range = element('span', 'range')
  readonly #steps: Array<{ button: HTMLButtonElement, offset: () => number }> = []
  readonly #size = element('select')
  readonly #onChange: () => void
  #matching = 0

  /** @param label What is paged through. */
  constructor (label: string, limit: number, onChange: () => void) {
    this.limit = limit
    this.#onChange = onChange
    for (const size of SIZES) this.#size.add(new Option(String(size), String(size), size === limit, size === limit))
    this.#size.addEventListener('change', () => {
      this.limit = Number(this.#size.value)
      this.#go(Math.floor(this.offset / this.limit) * this.limit)
    })
    this.element = element('nav', 'pager',
      this.#range,
      element('span', 'steps',
        this.#step('First', () => 0),
        this.#step('Previous', () => Math.max(0, this.offset - this.limit)),
        this.#step('Next', () => Math.min(this.offset + this.limit, this.#last)),
        this.#step('Last', () => this.#last)),
      element('label', 'size', 'Rows ', this.#size))
    this.element.setAttribute('aria-label', `Pages of ${label}`)
  }

  get #last (): number {
    return Math.max(0, Math.ceil(this.#matching / this.limit) - 1) * this.limit
  }

  /** Says how many there are. If they have become fewer than the page begins with, it shows the last ones. */
  update (matching: number): void {
    this.#matching = matching
    if (this.offset > this.#last) this.#go(this.#last)
    const end = Math.min(this.offset + this.limit, matching)
    setText(this.#range, matching === 0 ? '' : `${count(this.offset + 1)}–${count(end)} of ${count(matching)}`)
    // Not `disabled`, which would take the focus from the button.
    for (const step of this.#steps) setAttribute(step.button, 'aria-disabled', String(step.offset() === this.offset))
    this.element.hidden = matching <= SIZES[0]! && !this.element.contains(document.activeElement)
  }

  #step (label: string, offset: () => number): HTMLButtonElement {
    const made = button(label, '', () => { if (offset() !== this.offset) this.#go(offset()) })
    this.#steps.push({ button: made, offset })
    return made
  }

  #go (offset: number): void {
    this.offset = offset
    this.#onChange()
  }
}
