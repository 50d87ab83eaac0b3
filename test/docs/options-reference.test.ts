import { readFile } from 'node:fs/promises'
import t from 'tap'
import { configSchema, optionTypes } from '../../scripts/option-types.js'
import { ERRORS_PAGE, OPTIONS_PAGE, optionsReference, SCHEMA_FILE, TYPES_FILE, withErrorTables } from '../../scripts/options-reference.js'

t.test("docs/options.md is that of src/options/; else run 'npm run docs'", async t => {
  t.equal(await readFile(OPTIONS_PAGE, 'utf8'), optionsReference())
})

t.test("the types of the options and sluice.schema.json are those of src/options/; else run 'npm run docs'", async t => {
  t.equal(await readFile(TYPES_FILE, 'utf8'), optionTypes())
  t.equal(await readFile(SCHEMA_FILE, 'utf8'), configSchema())
})

t.test("the tables of docs/errors.md are those of src/errors.ts; else run 'npm run docs'", async t => {
  const page = await readFile(ERRORS_PAGE, 'utf8')
  t.equal(page, withErrorTables(page))
})
