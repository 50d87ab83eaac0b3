import { readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * An ESLint rule: the files of src/ import only from their own folder and from those behind it in this list, and none
 * imports itself in a circle, types included. ARCHITECTURE.md says what the folders are.
 */

const LAYERS = [
  'service', 'admin', 'http-proxy', 'index.ts', 'plugin.ts', 'routing', 'gateway.ts', 'http', 'websocket', 'policies', 'listener', 'observers',
  'proxy', 'upstreams', 'message', 'net', 'options', 'types.ts', 'errors.ts', 'manifest.ts'
]
/** The two legs know nothing of each other. */
const APART = ['http', 'websocket']

const SOURCE = fileURLToPath(new URL('../src', import.meta.url))
const IMPORT = /^(?:import|export)\b[^'";]*?from '(\.[^']+)'|^import '(\.[^']+)'/gm

/** @type {Map<string, string[]>} */
const imports = new Map()

/** The files of src/ that one of them imports. */
function importsOf (file) {
  let found = imports.get(file)
  if (found === undefined) {
    found = []
    for (const [, from, alone] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      found.push(resolve(dirname(file), (from ?? alone).replace(/\.js$/, '.ts')))
    }
    imports.set(file, found)
  }
  return found
}

/** The way from a file to another one, or undefined. */
function wayTo (from, to, seen = new Set()) {
  for (const next of importsOf(from)) {
    if (next === to) return [from]
    if (seen.has(next)) continue
    seen.add(next)
    const rest = wayTo(next, to, seen)
    if (rest !== undefined) return [from, ...rest]
  }
  return undefined
}

const layerOf = file => relative(SOURCE, file).split(/[\\/]/)[0]

/** @type {import('eslint').Rule.RuleModule} */
const rule = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      unknown: "ARCHITECTURE.md and this rule do not know '{{layer}}': add it to LAYERS.",
      upwards: "'{{from}}' must not import from '{{to}}': ARCHITECTURE.md says which way imports point.",
      circle: 'These files import each other in a circle: {{way}}.'
    }
  },
  create (context) {
    const file = resolve(context.filename)
    if (relative(SOURCE, file).startsWith('..')) return {}
    const from = layerOf(file)
    const check = node => {
      const source = node.source?.value
      if (typeof source !== 'string' || !source.startsWith('.')) return
      const target = resolve(dirname(file), source.replace(/\.js$/, '.ts'))
      const to = layerOf(target)
      for (const layer of [from, to]) if (!LAYERS.includes(layer)) context.report({ node, messageId: 'unknown', data: { layer } })
      if (LAYERS.indexOf(to) < LAYERS.indexOf(from) || (from !== to && APART.includes(from) && APART.includes(to))) {
        context.report({ node, messageId: 'upwards', data: { from, to } })
      }
      const way = target === file ? [] : wayTo(target, file)
      if (way !== undefined) {
        const names = [file, ...way, file].map(one => relative(SOURCE, one))
        context.report({ node, messageId: 'circle', data: { way: names.join(' → ') } })
      }
    }
    return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check }
  }
}

export default { meta: { name: 'sluice' }, rules: { 'import-direction': rule } }
