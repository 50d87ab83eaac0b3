// Makes the pages in dist/, the status page and that of the demo: nothing of them is loaded from elsewhere.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const license = readFileSync(new URL('../node_modules/uplot/LICENSE', import.meta.url), 'utf8')

await buildPage('src/admin/page', 'dist/admin-page', `/*! Contains uPlot, https://github.com/leeoniya/uPlot\n\n${license.trim()}\n*/`)
await buildPage('src/service/demo/page', 'dist/demo-page')

async function buildPage (from, to, banner) {
  const [source, output] = [from, to].map(folder => fileURLToPath(new URL(`../${folder}/`, import.meta.url)))
  mkdirSync(output, { recursive: true })
  copyFileSync(`${source}index.html`, `${output}index.html`)
  await build({
    entryPoints: [{ in: `${source}main.ts`, out: 'page' }, { in: `${source}style.css`, out: 'page' }],
    outdir: output,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome120', 'firefox120', 'safari17'],
    ...banner !== undefined && { banner: { js: banner, css: banner } },
    logLevel: 'warning'
  })
}
