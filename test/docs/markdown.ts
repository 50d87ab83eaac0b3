import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The pages of the package, by their path in the repository. */
export const PAGES: string[] = [
  'README.md', 'CHANGELOG.md', 'SECURITY.md',
  ...readdirSync(`${ROOT}docs`).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)
]

/** A fenced block of a page. */
export interface Block {
  page: string
  line: number
  language: string
  /** The words of the comment `<!-- test: scenario probe… -->` before it. */
  scenario: string | undefined
  probes: string[]
  code: string
}

/** The fenced blocks of a page, in their order. */
export function blocksOf (page: string): Block[] {
  const blocks: Block[] = []
  const lines = readFileSync(ROOT + page, 'utf8').split('\n')
  for (let index = 0; index < lines.length; index++) {
    const fence = /^\s*(`{3,}|~{3,})\s*(\S*)/.exec(lines[index]!)
    if (fence === null) continue
    const [, mark, language] = fence
    const end = lines.findIndex((line, after) => after > index && line.trim() === mark)
    if (end === -1) throw new Error(`${page}:${index + 1}: a block without end`)
    const [scenario, ...probes] = /^<!-- test: (.+) -->$/.exec(lines[index - 1] ?? '')?.[1]?.split(' ') ?? []
    blocks.push({ page, line: index + 1, language: language!, scenario, probes, code: `${lines.slice(index + 1, end).join('\n')}\n` })
    index = end
  }
  return blocks
}

/** The text of a page without its fenced blocks. */
export function proseOf (page: string): string {
  return readFileSync(ROOT + page, 'utf8').replace(/^(`{3,})[^]*?^\1$/gm, '')
}

/** The text of a section of a page, up to the next heading. */
export function sectionOf (page: string, heading: string): string {
  const [, section] = readFileSync(ROOT + page, 'utf8').split(`\n## ${heading}\n`)
  if (section === undefined) throw new Error(`${page} has no section '${heading}'`)
  return section.split('\n## ')[0]!
}

/** The rows of the table of a section: the cells by the header of their column, all without footnote marks. */
export function tableOf (page: string, heading: string): Array<Record<string, string>> {
  const [header, , ...rows] = sectionOf(page, heading).split('\n')
    .filter(line => line.startsWith('|'))
    .map(line => line.slice(1, -1).split('|').map(cell => cell.replace(/<sup>.*?<\/sup>/g, '').trim()))
  return rows.map(cells => Object.fromEntries(header!.map((name, index) => [name, cells[index]!])))
}
