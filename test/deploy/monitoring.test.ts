import { readFile } from 'node:fs/promises'
import { WorkerMetrics } from '../../src/service/workers/metrics.js'
import t, { type Test } from 'tap'
import { DASHBOARD_FILE, grafanaDashboard } from '../../scripts/grafana-dashboard.js'
import { metrics } from '../../src/observers/metrics.js'
import { alerts, dashboard, panels, queries } from '../helpers/monitoring.js'
import { samplesOf, usedGateway } from '../helpers/metrics.js'
import { closed } from '../helpers/sockets.js'

/*
 * Issue 11: the dashboard and the alerts ask for metrics that exist, by labels that exist.
 */

const METRICS_PAGE = new URL('../../docs/metrics.md', import.meta.url)

/** What the names of samples and of labels look like in an expression. */
const METRIC = /\b(?:sluice|nodejs|process)_[a-z0-9_]+/g
const SELECTOR = /\b([a-z][a-z0-9_]+)\{([^}]*)\}/g
const LABEL = /([a-z_]+)\s*(?:=~|!~|!=|=)/g
/** Prometheus adds these itself. */
const SCRAPED = ['job', 'instance']

const expressions = [...queries.map(({ expr }) => expr), ...alerts.map(({ expr }) => expr), ...dashboard.templating.list.flatMap(({ definition }) => definition ?? [])]

/** The metrics of a gateway that has had a bit of everything: names of samples with their labels, and of families. */
async function collected (t: Test): Promise<{ labels: Map<string, Set<string>>, families: string[] }> {
  const { app, socket } = await usedGateway(t)
  const ended = new Promise<void>(resolve => app.gateway.observe({ onEnd: () => resolve() }))
  socket.close()
  await closed(socket)
  await ended
  const ofWorkers = await new WorkerMetrics(app.gateway.counters, () => []).collect([])
  const text = `${await metrics(app.gateway).metrics()}\n${(await ofWorkers.metrics()).split('\n').filter(line => line.includes('sluice_worker')).join('\n')}`
  const labels = new Map<string, Set<string>>()
  for (const [, name, given = ''] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? /gm)) {
    const known = labels.get(name!) ?? new Set(SCRAPED)
    for (const [, label] of given.matchAll(/([a-z_]+)="/g)) known.add(label!)
    labels.set(name!, known)
  }
  return { labels, families: samplesOf(text).families }
}

t.test('every metric that the dashboard and the alerts name exists, and has the labels by which it is asked for', async t => {
  const { labels, families } = await collected(t)
  for (const expression of expressions) {
    for (const [name] of expression.matchAll(METRIC)) t.ok(labels.has(name), `${name} in: ${expression}`)
    for (const [, name, selectors] of expression.matchAll(SELECTOR)) {
      for (const [, label] of selectors!.matchAll(LABEL)) if (name !== 'up') t.ok(labels.get(name!)?.has(label!), `${name} has ${label}`)
    }
    for (const [, by] of expression.matchAll(/by \(([^)]+)\)/g)) {
      const names = [...expression.matchAll(METRIC)].map(([name]) => name)
      for (const label of by!.split(', ')) t.ok(names.every(name => labels.get(name)?.has(label)), `${label} in: ${expression}`)
    }
  }
  const all = expressions.join('\n')
  for (const name of families.filter(name => name.startsWith('sluice_'))) t.match(all, name, `${name} is shown`)
})

t.test('legends name labels that are there', async t => {
  for (const { expr, legendFormat } of queries) {
    const kept = /by \(([^)]+)\)/.exec(expr)?.[1]!.split(', ')
    for (const [, label] of legendFormat.matchAll(/\{\{(.*?)\}\}/g)) {
      t.ok(kept === undefined ? ['instance', 'upstream', 'target'].includes(label!) : kept.includes(label!), `${label} in the legend of: ${expr}`)
    }
  }
})

t.test('panels do not overlap, and all have titles of their own in their rows', async t => {
  const cells = new Set<string>()
  for (const { gridPos: { x, y, w, h }, title } of panels) {
    t.ok(x + w <= 24, title)
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const cell = `${column} ${line}`
        if (cells.has(cell)) t.fail(`${title} overlaps at ${cell}`)
        cells.add(cell)
      }
    }
  }
})

t.test("deploy/grafana/sluice.json is that of scripts/grafana-dashboard.ts; else run 'npm run docs'", async t => {
  t.equal(await readFile(DASHBOARD_FILE, 'utf8'), grafanaDashboard())
})

t.test('docs/metrics.md lists every metric of the gateway, with its labels, and no other', async t => {
  const { labels, families } = await collected(t)
  const page = await readFile(METRICS_PAGE, 'utf8')
  const listed = new Map([...page.matchAll(/^\| `(sluice_[a-z_]+)` \| (.*?) \|/gm)].map(([, name, text]) => [name!, [...text!.matchAll(/`([a-z_]+)`/g)].map(([, label]) => label!)]))
  t.strictSame([...listed.keys()].sort(), families.filter(name => name.startsWith('sluice_')).sort())
  for (const [name, given] of listed) {
    const known = labels.get(name) ?? labels.get(`${name}_count`) ?? new Set()
    // Nothing has been retried, or has waited.
    if (known.size > 0) t.strictSame([...given].sort(), [...known].filter(label => !SCRAPED.includes(label)).sort(), name)
  }
})
