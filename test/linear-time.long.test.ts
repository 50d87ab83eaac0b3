import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { FormatsPlugin } from 'ajv-formats'
import t from 'tap'
import ts from 'typescript'
import { FORMATS, formatMode } from '../src/policies/message-schema.js'

// Issue 8, item 24: nothing that a peer sends is matched in more than linear time.

// Of its engines, the one that needs no program of its own.
process.env['RECHECK_BACKEND'] = 'pure'
const { checkSync } = await import('recheck')

/** Steps are counted, and an attack is not timed: on a loaded machine one that takes long would prove nothing. */
const check = (source: string, flags: string): ReturnType<typeof checkSync> => checkSync(source, flags, { timeout: 120_000, attackTimeout: null })

const SRC = new URL('../src/', import.meta.url).pathname
/** Compiles a pattern of a user to tell whether it is valid, and never runs it. */
const MAY_COMPILE = ['message/linear-pattern.ts']

interface Found { place: string, source: string, flags: string }

function expressions (): { literals: Found[], compiled: string[] } {
  const literals: Found[] = []
  const compiled: string[] = []
  for (const name of readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))) {
    const file = ts.createSourceFile(name, readFileSync(join(SRC, name), 'utf8'), ts.ScriptTarget.Latest, true)
    const visit = (node: ts.Node): void => {
      const place = `${name}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
      if (ts.isRegularExpressionLiteral(node)) {
        const end = node.text.lastIndexOf('/')
        literals.push({ place, source: node.text.slice(1, end), flags: node.text.slice(end + 1) })
      } else if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === 'RegExp') {
        compiled.push(name)
      }
      ts.forEachChild(node, visit)
    }
    visit(file)
  }
  return { literals, compiled }
}

const { literals, compiled } = expressions()

t.test('every regular expression of the gateway takes linear time', async t => {
  t.ok(literals.length > 80, `${literals.length} were found`)
  for (const { place, source, flags } of literals) {
    const found = check(source, flags)
    t.equal(found.status, 'safe', `${place}: /${source}/${flags}${found.status === 'vulnerable' ? `, on ${found.attack.pattern.slice(0, 200)}` : ''}`)
  }
})

t.test('so do the formats of schemas for messages', async t => {
  const require = createRequire(import.meta.url)
  const { default: formats } = require('ajv-formats') as { default: FormatsPlugin }
  for (const name of FORMATS) {
    const format = formats.get(name, formatMode(name))
    if (format instanceof RegExp) t.equal(check(format.source, format.flags).status, 'safe', name)
  }
  // Those of its functions.
  const file = readFileSync(require.resolve('ajv-formats/dist/formats.js'), 'utf8')
  for (const name of ['DATE', 'TIME', 'DATE_TIME_SEPARATOR']) {
    const [, source, flags] = new RegExp(`^const ${name} = /(.*)/(\\w*);$`, 'm').exec(file)!
    t.equal(check(source!, flags!).status, 'safe', name)
  }
})

t.test('no other is compiled', async t => {
  t.strictSame(compiled, MAY_COMPILE)
})

t.test('the check finds what is slow', async t => {
  for (const source of ['^(a+)+$', '^(?:a|a)*$', 'a*a*b', '\\/+$']) t.equal(check(source, '').status, 'vulnerable', source)
})
