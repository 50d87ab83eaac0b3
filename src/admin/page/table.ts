import { element, hiddenText, setAttribute, setText } from './dom.js'
import { icon } from './icons.js'

export interface Column<Row> {
  label: string
  /** By what its button sorts; without it, there is none. */
  sort?: string
  /** Its order is the reverse of what is shown, as with ages and the times they begin at. */
  reversed?: boolean
  className?: string
  /** Makes the content of a cell, and gives what brings it up to date. */
  fill: (cell: HTMLElement) => (row: Row) => void
}

export interface Sorting { by: string, descending: boolean }

export interface TableOptions<Row> {
  /** Names the table for screen readers. */
  label: string
  /** Gets the focus when the last row is gone. */
  heading: HTMLElement
  columns: Array<Column<Row>>
  keyOf: (row: Row) => string
  /** Rows of one group stand together below its heading. */
  groupOf?: (row: Row) => { name: string, note: string }
  onSort?: (sorting: Sorting) => void
  sorting?: Sorting
}

interface Line<Data> { element: HTMLTableRowElement, update: (data: Data) => void }

/** A table whose rows are updated in place by their keys, so that the focus and a selection stay where they are. */
export class Table<Row> {
  readonly element = element('div', 'table')
  readonly #options: TableOptions<Row>
  readonly #body = element('tbody')
  readonly #headers = new Map<string, (sorting: Sorting) => void>()
  #rows = new Map<string, Line<Row>>()
  #groups = new Map<string, Line<{ name: string, note: string }>>()

  constructor (options: TableOptions<Row>) {
    this.#options = options
    const head = element('tr')
    for (const column of options.columns) head.append(this.#header(column))
    const table = element('table', '', element('caption', 'visually-hidden', options.label), element('thead', '', head), this.#body)
    // Said explicitly, since a style sheet that shows rows as cards takes the meaning of a table from them.
    table.setAttribute('role', 'table')
    for (const group of [table.tHead!, this.#body]) group.setAttribute('role', 'rowgroup')
    head.setAttribute('role', 'row')
    this.element.append(table)
    if (options.sorting !== undefined) this.#setSorting(options.sorting)
  }

  update (rows: readonly Row[]): void {
    const lost = this.#focusWithin()
    const before = this.#rows
    const groupsBefore = this.#groups
    this.#rows = new Map()
    this.#groups = new Map()
    const wanted: HTMLTableRowElement[] = []
    for (const row of rows) {
      const group = this.#options.groupOf?.(row)
      if (group !== undefined && !this.#groups.has(group.name)) {
        const line = groupsBefore.get(group.name) ?? this.#makeGroup()
        this.#groups.set(group.name, line)
        line.update(group)
        wanted.push(line.element)
      }
      const key = this.#options.keyOf(row)
      const line = before.get(key) ?? this.#makeRow()
      this.#rows.set(key, line)
      line.update(row)
      wanted.push(line.element)
    }
    for (const [key, line] of before) if (!this.#rows.has(key)) line.element.remove()
    for (const [key, line] of groupsBefore) if (!this.#groups.has(key)) line.element.remove()
    this.#place(wanted)
    if (lost !== undefined && !lost.row.isConnected) this.#restoreFocus(lost)
  }

  /** Puts the rows in order around the one with the focus, which a move would take from it. */
  #place (wanted: readonly HTMLTableRowElement[]): void {
    const focused = wanted.findIndex(row => row.contains(document.activeElement))
    const start = Math.max(focused, 0)
    const anchor = wanted[start]
    if (anchor === undefined) return
    if (focused === -1 && this.#body.firstChild !== anchor) this.#body.prepend(anchor)
    for (let index = start - 1; index >= 0; index--) {
      const next = wanted[index + 1]!
      if (next.previousSibling !== wanted[index]) next.before(wanted[index]!)
    }
    for (let index = start + 1; index < wanted.length; index++) {
      const previous = wanted[index - 1]!
      if (previous.nextSibling !== wanted[index]) previous.after(wanted[index]!)
    }
  }

  #focusWithin (): { row: HTMLTableRowElement, index: number, action: string | undefined } | undefined {
    const active = document.activeElement
    const row = active?.closest('tr')
    if (!(active instanceof HTMLElement) || !row || row.parentElement !== this.#body) return undefined
    return { row, index: row.sectionRowIndex, action: active.dataset.action }
  }

  /** The row with the focus is gone: the same button of the row that is now in its place gets it. */
  #restoreFocus ({ index, action }: { index: number, action: string | undefined }): void {
    const row = this.#body.rows[Math.min(index, this.#body.rows.length - 1)]
    const same = [...row?.querySelectorAll('button') ?? []].find(one => one.dataset.action === action)
    const next = same ?? this.#options.heading
    next.focus({ preventScroll: true })
  }

  #makeRow (): Line<Row> {
    const row = element('tr')
    row.setAttribute('role', 'row')
    const updates = this.#options.columns.map(({ label, className = '', fill }, index) => {
      const cell = element(index === 0 ? 'th' : 'td', className)
      if (index === 0) cell.setAttribute('scope', 'row')
      cell.setAttribute('role', index === 0 ? 'rowheader' : 'cell')
      cell.dataset.label = label
      row.append(cell)
      return fill(cell)
    })
    return { element: row, update: data => { for (const update of updates) update(data) } }
  }

  #makeGroup (): Line<{ name: string, note: string }> {
    const name = element('bdi', 'group-name')
    const note = element('span', 'group-note')
    const cell = element('th', '', name, ' ', note)
    cell.setAttribute('role', 'rowheader')
    cell.scope = 'rowgroup'
    cell.colSpan = this.#options.columns.length
    const row = element('tr', 'group', cell)
    row.setAttribute('role', 'row')
    return {
      element: row,
      update (group) {
        setText(name, group.name)
        setText(note, group.note)
      }
    }
  }

  #header ({ label, sort, reversed = false, className = '' }: Column<Row>): HTMLElement {
    const cell = element('th', className)
    cell.scope = 'col'
    cell.setAttribute('role', 'columnheader')
    if (sort === undefined) {
      cell.append(className.includes('actions') ? hiddenText(label) : label)
      cell.classList.add('plain')
      return cell
    }
    const arrow = icon()
    const sorter = element('button', 'sorter', label, arrow.element)
    sorter.type = 'button'
    cell.append(sorter)
    let now: Sorting | undefined
    sorter.addEventListener('click', () => {
      // Numbers begin with the largest, names with the first.
      const descending = now?.by === sort ? !now.descending : className.includes('number') !== reversed
      const next = { by: sort, descending }
      this.#setSorting(next)
      this.#options.onSort?.(next)
    })
    this.#headers.set(sort, sorting => {
      now = sorting
      const isDescending = sorting.descending !== reversed
      setAttribute(cell, 'aria-sort', sorting.by !== sort ? 'none' : isDescending ? 'descending' : 'ascending')
      arrow.set(sorting.by !== sort ? 'unsorted' : isDescending ? 'down' : 'up', 'arrow')
    })
    return cell
  }

  #setSorting (sorting: Sorting): void {
    for (const set of this.#headers.values()) set(sorting)
  }
}
