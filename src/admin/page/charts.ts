import UPlot from 'uplot'
import { byId, element, setAttribute, setText } from './dom.js'
import { bytesPerSecond, clock, count, milliseconds, perSecond, shortClock } from './format.js'
import type { Point } from './protocol.js'

/** Seconds that a chart shows, and milliseconds between updates of its description for screen readers. */
const WINDOW = 300
const DESCRIBED_EVERY = 10_000
const HEIGHT = 148

type Value = number | null

interface Series {
  name: string
  /** The custom property of its colour. */
  color: string
  of: (point: Point) => Value
  /** Distinguished not only by colour: a second line is dashed, errors are columns with a scale of their own on the right. */
  style: 'area' | 'line' | 'dashed' | 'columns'
}

interface ChartOptions {
  title: string
  format: (value: number) => string
  /** The least value that the scale ends with, so that noise does not look like a peak. */
  least: number
  series: Series[]
}

const CHARTS: ChartOptions[] = [
  {
    title: 'Requests and errors',
    format: perSecond,
    least: 10,
    series: [
      { name: 'Requests/s', color: '--series-1', of: point => point.requests, style: 'area' },
      { name: 'Errors/s (right)', color: '--bad', of: point => point.errors, style: 'columns' }
    ]
  },
  {
    title: 'Latency of requests',
    format: milliseconds,
    least: 10,
    series: [
      { name: 'p50', color: '--series-1', of: point => point.p50, style: 'line' },
      { name: 'p99', color: '--series-2', of: point => point.p99, style: 'dashed' }
    ]
  },
  {
    title: 'Open sessions',
    format: count,
    least: 10,
    series: [{ name: 'Sessions', color: '--series-3', of: point => point.sessions, style: 'area' }]
  },
  {
    title: 'WebSocket traffic',
    format: bytesPerSecond,
    least: 1_000,
    series: [
      { name: 'From clients', color: '--series-1', of: point => point.bytesFromClients, style: 'line' },
      { name: 'From targets', color: '--series-2', of: point => point.bytesFromTargets, style: 'dashed' }
    ]
  }
]

class Chart {
  readonly #options: ChartOptions
  readonly #plot: UPlot
  readonly #host = element('div', 'plot')
  readonly #values: HTMLElement[] = []
  readonly #time = element('span', 'chart-time')
  #points: readonly Point[] = []
  #describedAt = -Infinity

  constructor (parent: HTMLElement, options: ChartOptions) {
    this.#options = options
    const legend = element('ul', 'legend')
    for (const { name, color, style } of options.series) {
      const swatch = element('span', `swatch ${style}`)
      swatch.style.setProperty('--color', `var(${color})`)
      const value = element('b')
      this.#values.push(value)
      legend.append(element('li', '', swatch, `${name} `, value))
    }
    this.#host.setAttribute('role', 'img')
    setAttribute(this.#host, 'aria-label', options.title)
    parent.append(element('figure', 'chart', element('figcaption', '', element('h3', '', options.title), this.#time), legend, this.#host))
    this.#plot = new UPlot(this.#plotOptions(), [[], ...options.series.map(() => [])] as UPlot.AlignedData, this.#host)
    new ResizeObserver(() => this.#plot.setSize({ width: this.#host.clientWidth, height: HEIGHT })).observe(this.#host)
  }

  draw (points: readonly Point[]): void {
    this.#points = points
    this.#plot.setData([points.map(({ at }) => at / 1000), ...this.#options.series.map(({ of }) => points.map(of))] as UPlot.AlignedData)
    this.#showValues()
    const now = performance.now()
    if (now - this.#describedAt < DESCRIBED_EVERY) return
    this.#describedAt = now
    setAttribute(this.#host, 'aria-label', this.#description())
  }

  /** The colours have changed. */
  redraw (): void {
    this.#plot.redraw()
  }

  /** Values at the pointer, or else the latest ones. */
  #showValues (): void {
    const index = this.#plot.cursor.idx
    const point = typeof index === 'number' ? this.#points[index] : this.#points.at(-1)
    setText(this.#time, typeof index === 'number' && point !== undefined ? clock(point.at) : '')
    this.#options.series.forEach(({ of }, at) => {
      const value = point === undefined ? null : of(point)
      setText(this.#values[at]!, value === null ? '–' : this.#options.format(value))
    })
  }

  #description (): string {
    const { title, series, format } = this.#options
    const parts = series.map(({ name, of }) => {
      const values = this.#points.map(of).filter(value => value !== null)
      if (values.length === 0) return `${name}: no values`
      return `${name}: ${format(values.at(-1)!)} now, at least ${format(Math.min(...values))}, at most ${format(Math.max(...values))}`
    })
    return `${title}, last 5 minutes. ${parts.join('. ')}.`
  }

  #plotOptions (): UPlot.Options {
    const { series, format, least } = this.#options
    const hasColumns = series.some(({ style }) => style === 'columns')
    const scale = (floor: number): UPlot.Scale => ({ range: (_plot, _min, max) => [0, Math.max(floor, (max ?? 0) * 1.1)] })
    const axis = (color: string): UPlot.Axis => ({
      stroke: () => colorOf(color),
      font: '11px system-ui, sans-serif',
      ticks: { show: false },
      gap: 4
    })
    return {
      width: this.#host.clientWidth || 280,
      height: HEIGHT,
      padding: [8, hasColumns ? 0 : 18, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        // All charts show the same moment.
        sync: { key: 'charts', scales: ['x', null] },
        points: { size: 6 }
      },
      hooks: { setCursor: [() => this.#showValues()] },
      scales: {
        x: { time: true, range: (_plot, _min, max) => [(max ?? 0) - WINDOW, max ?? 0] },
        y: scale(least),
        ...hasColumns && { right: scale(5) }
      },
      axes: [
        { ...axis('--soft'), size: 24, space: 56, incrs: [60, 120, 300], values: (_plot, at) => at.map(second => shortClock(second * 1000)), grid: { show: false } },
        { ...axis('--soft'), scale: 'y', size: sizeOf, space: 34, values: (_plot, at) => at.map(format), grid: { stroke: () => colorOf('--line'), width: 1 } },
        ...hasColumns ? [{ ...axis('--bad'), scale: 'right', side: 1, size: sizeOf, space: 34, values: (_plot: UPlot, at: number[]) => at.map(format), grid: { show: false } }] : []
      ],
      series: [{}, ...series.map(one => seriesOptions(one))]
    }
  }
}

/** As wide as the longest of the values. */
function sizeOf (_plot: UPlot, values: string[] | null): number {
  return 12 + 6.5 * Math.max(1, ...(values ?? []).map(value => value.length))
}

function seriesOptions ({ color, style }: Series): UPlot.Series {
  const stroke = (): string => colorOf(color)
  if (style === 'columns') return { scale: 'right', width: 0, fill: stroke, points: { show: false }, paths: UPlot.paths.bars!({ size: [0.9, 4], align: -1 }) }
  return {
    scale: 'y',
    width: 1.5,
    stroke,
    ...style === 'area' && { fill: () => `${colorOf(color)}26` },
    ...style === 'dashed' && { dash: [5, 3] },
    points: { show: true, size: 4, width: 0, fill: stroke, filter: lonely }
  }
}

/** Values without any beside them, which no line leads to. */
const lonely = ((plot: UPlot, series: number): number[] => {
  const values = plot.data[series] ?? []
  const found: number[] = []
  for (let index = 0; index < values.length; index++) {
    if (values[index] != null && values[index - 1] == null && values[index + 1] == null) found.push(index)
  }
  return found
}) satisfies UPlot.Series.Points.Filter

let colors = getComputedStyle(document.documentElement)

function colorOf (property: string): string {
  return colors.getPropertyValue(property).trim()
}

/** The charts: what happens, as it happens. */
export class Charts {
  readonly #points: Point[] = []
  readonly #charts: Chart[]

  constructor () {
    const parent = byId('charts-list', HTMLElement)
    this.#charts = CHARTS.map(options => new Chart(parent, options))
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      colors = getComputedStyle(document.documentElement)
      for (const chart of this.#charts) chart.redraw()
    })
  }

  reset (points: readonly Point[]): void {
    this.#points.length = 0
    this.#points.push(...points.slice(-WINDOW))
  }

  add (point: Point): void {
    // A connection that was made anew begins with the points up to now.
    if (point.at <= (this.#points.at(-1)?.at ?? 0)) return
    this.#points.push(point)
    if (this.#points.length > WINDOW) this.#points.shift()
  }

  /** The latest, the oldest of them first. */
  last (many: number): readonly Point[] {
    return this.#points.slice(-many)
  }

  render (): void {
    for (const chart of this.#charts) chart.draw(this.#points)
  }
}
