#!/usr/bin/env node
import { surviveLostTerminal } from './lost-terminal.js'
import { main } from './main.js'

surviveLostTerminal()

process.exitCode = await main({
  argv: process.argv.slice(2),
  environment: process.env,
  directory: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr
})
