#!/usr/bin/env node
import { surviveLostTerminal } from './lost-terminal.js'
import { main } from './main.js'
import { ownWorker } from './workers/own-worker.js'

surviveLostTerminal()

const worker = ownWorker()
if (worker === undefined) {
  process.exitCode = await main({
    argv: process.argv.slice(2),
    environment: process.env,
    directory: process.cwd(),
    stdout: process.stdout,
    stderr: process.stderr
  })
} else {
  const { runWorker } = await import('./workers/worker.js')
  runWorker(worker)
}
