import { rmSync } from 'node:fs'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const sources = new URL('./', import.meta.url)
/** Where what the programs import is found, and nothing is published; of this run alone, for there may be others. */
const output = new URL(`../../../node_modules/.cache/sluice-bench/${process.pid}/`, import.meta.url)

/**
 * Makes JavaScript of the programs in this folder, once a run. Under tsx, which runs the rest, Node maps the
 * stack of every error, and a request through Fastify costs up to a fifth more.
 */
export async function compileServers (): Promise<void> {
  process.once('exit', () => rmSync(output, { recursive: true, force: true }))
  await mkdir(output, { recursive: true })
  for (const file of await readdir(sources)) {
    if (file === basename(import.meta.url)) continue
    const { outputText } = ts.transpileModule(await readFile(new URL(file, sources), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
    })
    await writeFile(new URL(file.replace(/\.ts$/, '.js'), output), outputText)
  }
  await writeFile(new URL('package.json', output), '{ "type": "module" }')
}

export const compiledServer = (name: string): string => fileURLToPath(new URL(`${name}.js`, output))
