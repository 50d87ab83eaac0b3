import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A new folder outside the repository, which goes when the test ends. */
export async function temporaryFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'sluice-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}
