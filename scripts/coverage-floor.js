import { readFileSync } from 'node:fs'
import { relative, sep } from 'node:path'

/**
 * Fails if tests execute less of the sources than the floor, in per cent. Run it after `npm run test:coverage`.
 * What only a child process executes, from dist/, does not count.
 */
const FLOOR = { lines: 96, branches: 95 }

const root = new URL('..', import.meta.url).pathname
const report = JSON.parse(readFileSync(new URL('../.tap/report/coverage-summary.json', import.meta.url), 'utf8'))
const files = Object.entries(report)
  .map(([file, counts]) => ({ file: relative(root, file), counts }))
  .filter(({ file }) => ['src', 'plugins', 'routes'].includes(file.split(sep)[0]))

let fails = files.length === 0
for (const [kind, floor] of Object.entries(FLOOR)) {
  const total = files.reduce((sum, { counts }) => sum + counts[kind].total, 0)
  const covered = files.reduce((sum, { counts }) => sum + counts[kind].covered, 0)
  const percent = 100 * covered / total
  console.log(`${kind}: ${percent.toFixed(2)} % of ${total} (floor ${floor} %)`)
  if (!(percent >= floor)) fails = true
}
console.log('lowest:')
for (const { file, counts } of files.sort((a, b) => a.counts.lines.pct - b.counts.lines.pct).slice(0, 8)) console.log(`  ${counts.lines.pct} %  ${file}`)
process.exitCode = fails ? 1 : 0
