import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import { PAGES, proseOf, ROOT } from './markdown.js'

/** The anchors of a page's headings, as the usual renderers of Markdown make them. */
function anchorsOf (page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))
}

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
