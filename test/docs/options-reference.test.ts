import { readFile } from 'node:fs/promises'
import t from 'tap'
import { ERRORS_PAGE, OPTIONS_PAGE, optionsReference, withErrorTables } from '../../scripts/options-reference.js'

t.test("docs/options.md is that of src/options/; else run 'npm run docs'", async t => {
  t.equal(await readFile(OPTIONS_PAGE, 'utf8'), optionsReference())
})

t.test("the tables of docs/errors.md are those of src/errors.ts; else run 'npm run docs'", async t => {
  const page = await readFile(ERRORS_PAGE, 'utf8')
  t.equal(page, withErrorTables(page))
})
