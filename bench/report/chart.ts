import { measures } from '../measures.js'
import type { Leg, Peer } from '../peers/peer.js'
import type { Results } from '../results.js'
import { number, shortTitle } from './tables.js'

interface Panel {
  title: string
  bars: Array<{ name: string, value: number }>
}

const WIDTH = 860
const COLUMNS = 2
const PANEL = WIDTH / COLUMNS
const MARGIN = 20
const NAME = 130
const VALUE = 60
const BAR = 18
const GAP = 5
const TITLE = 30

/** A chart of what each peer costs, one panel a measure; shorter is better. */
export function chart (results: Results, peers: readonly Peer[], leg: Leg): string {
  const panels = panelsOf(results, peers, leg)
  const height = TITLE + Math.max(...panels.map(({ bars }) => bars.length)) * (BAR + GAP) + MARGIN
  const total = Math.ceil(panels.length / COLUMNS) * height + MARGIN
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${total}" width="${WIDTH}" height="${total}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${total}" rx="8" fill="#fff"/>`,
    ...panels.map((panel, index) =>
      `<g transform="translate(${(index % COLUMNS) * PANEL} ${MARGIN + Math.floor(index / COLUMNS) * height})">\n${panelOf(panel)}\n</g>`),
    '</svg>',
    ''
  ].join('\n')
}

function panelsOf (results: Results, peers: readonly Peer[], leg: Leg): Panel[] {
  const panel = (title: string, valueOf: (peer: string) => number | undefined): Panel => ({
    title,
    bars: peers.flatMap(({ name }) => {
      const value = valueOf(name)
      return value === undefined ? [] : [{ name, value }]
    })
  })
  const panels = measures.filter(measure => measure.leg === leg).map(measure =>
    panel(`${shortTitle(measure)}: µs of CPU per ${measure.unit}`, name => {
      const cost = results.median(measure.id, name, 'cpuPerOperation')
      return cost === undefined ? undefined : cost / measure.units
    }))
  if (leg === 'ws') panels.push(panel('idle: KiB per session', name => results.memory(name)))
  return panels
}

function panelOf ({ title, bars }: Panel): string {
  const longest = Math.max(...bars.map(({ value }) => value))
  const room = PANEL - 2 * MARGIN - NAME - VALUE
  return [
    `<text x="${MARGIN}" y="14" font-weight="600" fill="#222">${escaped(title)}</text>`,
    ...bars.map(({ name, value }, index) => {
      const y = TITLE + index * (BAR + GAP)
      const isOurs = name === 'sluice'
      const width = Math.max(1, value / longest * room).toFixed(1)
      return `<text x="${MARGIN + NAME - 8}" y="${y + 13}" text-anchor="end" fill="#222"${isOurs ? ' font-weight="600"' : ''}>${escaped(name)}</text>` +
        `<rect x="${MARGIN + NAME}" y="${y}" width="${width}" height="${BAR}" rx="2" fill="${isOurs ? '#0b7285' : '#adb5bd'}"/>` +
        `<text x="${(MARGIN + NAME + Number(width) + 6).toFixed(1)}" y="${y + 13}" fill="#222">${number(value)}</text>`
    })
  ].join('\n')
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
