// Makes the status page in dist/admin-page/ from src/admin/page/: nothing of it is loaded from elsewhere.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = fileURLToPath(new URL('../src/admin/page/', import.meta.url))
const output = fileURLToPath(new URL('../dist/admin-page/', import.meta.url))
const license = readFileSync(new URL('../node_modules/uplot/LICENSE', import.meta.url), 'utf8')

mkdirSync(output, { recursive: true })
copyFileSync(`${source}index.html`, `${output}index.html`)
const banner = `/*! Contains uPlot, https://github.com/leeoniya/uPlot\n\n${license.trim()}\n*/`
await build({
  entryPoints: [{ in: `${source}main.ts`, out: 'page' }, { in: `${source}style.css`, out: 'page' }],
  outdir: output,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome120', 'firefox120', 'safari17'],
  banner: { js: banner, css: banner },
  logLevel: 'warning'
})
