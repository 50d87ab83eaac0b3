import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import t from 'tap'

const TEST = new URL('./', import.meta.url)

/** Whether `npm test`, or one of the scripts beside it, takes up a file of this name. */
function runs (file: string): boolean {
  if (/\.(?:alone|long)\.test\.ts$|^e2e\/(?:install|peers)\/|^soak\/|^(?:e2e\/)?[^/]+$/.test(file)) return true
  for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) {
    if (existsSync(new URL(`${folder}/all.ts`, TEST))) return true
  }
  return false
}

t.test('no file of tests is left out', async t => {
  const files = (await readdir(TEST, { recursive: true })).map(name => name.replaceAll('\\', '/')).filter(name => name.endsWith('.test.ts'))
  t.ok(files.length > 150, `${files.length} files`)
  t.same(files.filter(file => !runs(file)), [], "a folder of tests needs an 'all.ts', as the others have")
})
