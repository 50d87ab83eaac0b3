// Removes what an earlier build made: a stale file in dist/plugins or dist/routes would be loaded and run.
import { rmSync } from 'node:fs'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
