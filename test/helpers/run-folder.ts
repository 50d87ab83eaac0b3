import { readdir } from 'node:fs/promises'
import t from 'tap'
import { directResponses } from '../../src/http/direct-response.js'
import { sharedReads } from '../../src/net/shared-reads.js'

const OWN_PROCESS = /\.(?:alone|long)\.test\.ts$/

/**
 * Runs the tests of one folder, and of those below it, in one process, one file after another: to start a process
 * takes longer than most of these files do. Files named `*.alone.test.ts`, which look at their whole process, and
 * `*.long.test.ts` have processes of their own.
 *
 * @param all - The URL of the folder's `all.ts`.
 */
export async function runFolder (all: string): Promise<void> {
  const folder = new URL('./', all)
  const files = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.test.ts') && !OWN_PROCESS.test(name)).sort()
  // As a test, because the process would else be over with the tests of the first file.
  await t.test('the files are loaded', async t => {
    for (const file of files) {
      await import(new URL(file, folder).href)
      t.pass(file)
    }
    // Tests run only when all files are loaded: what a file switches off as it is loaded would be off for all of them.
    t.ok(sharedReads.enabled && directResponses.enabled, 'as users have it')
  })
}
