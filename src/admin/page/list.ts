import { element, setText } from './dom.js'
import { Pager } from './pager.js'
import { Table, type Sorting, type TableOptions } from './table.js'

export interface ListOptions<Row> extends TableOptions<Row> {
  /** What is listed, in the plural. */
  name: string
  /** Which rows are shown, by the filters as they are. */
  isShown: (row: Row) => boolean
  /** By what a row is sorted, in the order of a column. */
  sortKey?: (row: Row, by: string) => number | string
  limit: number
}

/** A list of which the page has all rows: it filters, sorts and pages by itself. */
export class List<Row> {
  readonly #table: Table<Row>
  readonly #options: ListOptions<Row>
  readonly #pager: Pager
  readonly #empty = element('p', 'empty')
  #rows: readonly Row[] = []
  #sorting: Sorting | undefined

  constructor (parent: HTMLElement, options: ListOptions<Row>) {
    this.#options = options
    this.#sorting = options.sorting
    this.#table = new Table({
      ...options,
      onSort: sorting => {
        this.#sorting = sorting
        this.showFirst()
      }
    })
    this.#pager = new Pager(options.name, options.limit, () => this.render())
    parent.append(this.#table.element, this.#empty, this.#pager.element)
  }

  setRows (rows: readonly Row[]): void {
    this.#rows = rows
  }

  /** Shows the first page, after a filter or the order has changed. */
  showFirst (): void {
    this.#pager.offset = 0
    this.render()
  }

  render (): void {
    const shown = this.#rows.filter(this.#options.isShown)
    const { sortKey } = this.#options
    const sorting = this.#sorting
    if (sortKey !== undefined && sorting !== undefined) {
      const keys = new Map(shown.map(row => [row, sortKey(row, sorting.by)]))
      const sign = sorting.descending ? -1 : 1
      // Rows that are equal keep the order in which they came.
      shown.sort((one, other) => sign * compare(keys.get(one)!, keys.get(other)!))
    }
    this.#pager.update(shown.length)
    this.#table.update(shown.slice(this.#pager.offset, this.#pager.offset + this.#pager.limit))
    this.#table.element.hidden = shown.length === 0
    this.#empty.hidden = shown.length > 0
    setText(this.#empty, this.#rows.length === 0 ? `There are no ${this.#options.name}.` : `No ${this.#options.name} match the filter.`)
  }
}

function compare (one: number | string, other: number | string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
