import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { PAGES, proseOf, ROOT } from './markdown.js'

/** The anchors of a page: those of its headings, as the usual renderers of Markdown make them, and its own. */
function anchorsOf (page: string): string[] {
  const prose = proseOf(page)
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))
  return [...headings, ...[...prose.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id]) => id!)]
}

t.test('each option has an anchor', async t => {
  const rows = [...proseOf('docs/options.md').matchAll(/^\| (.*?)`([^`]+)` \|/gm)]
  t.ok(rows.length > 150)
  for (const [, anchor, option] of rows) t.match(anchor, new RegExp(`^<a id="[a-z-]*${option!.toLowerCase().replaceAll('.', '-')}"></a>$`), option!)
  const anchors = anchorsOf('docs/options.md')
  t.same(anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index), [], 'each is there once')
  t.ok(anchors.includes('routes-websocket-idletimeout'))
})

for (const page of PAGES) {
  t.test(`the links of ${page} lead somewhere`, async t => {
    for (const match of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      const link = match[1]!
      if (/^https?:/.test(link)) continue
      const [path, anchor] = link.split('#')
      const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path!))
      t.ok(existsSync(ROOT + file), link)
      if (anchor !== undefined) t.ok(anchorsOf(file).includes(anchor), link)
    }
  })
}

t.test('docs/index.md lists every page', async t => {
  const index = proseOf('docs/index.md')
  for (const page of PAGES) {
    if (page.startsWith('docs/') && page !== 'docs/index.md') t.match(index, `(${page.slice(5)})`)
  }
})

t.test('docs/life-of-a-request.md names every file of src/', async t => {
  const page = proseOf('docs/life-of-a-request.md')
  for (const file of readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.ts')) t.match(page, `(../src/${file.replaceAll('\\', '/')})`)
  }
})
