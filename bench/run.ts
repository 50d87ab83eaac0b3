import { readPlan, usage, type Plan } from './arguments.js'
import { cleanUpAtExit, stopAll } from './processes.js'
import { textReport } from './report/text.js'
import { writeReport } from './report/write.js'
import { runSuite } from './suite.js'

/** `npm run bench`: see `usage`. */

const plan = planOrExit()
cleanUpAtExit()
try {
  const peers = plan.peers.filter(peer => {
    if (peer.version() !== undefined) return true
    console.error(`${peer.name} is not installed, and is left out`)
    return false
  })
  const results = await runSuite(plan, peers, text => console.error(text))
  console.log(textReport(results, peers, plan.legs))
  if (plan.write) await writeReport(results, peers, plan)
  if (results.failures.length > 0) process.exitCode = 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await stopAll()
}

function planOrExit (): Plan {
  try {
    const plan = readPlan(process.argv.slice(2))
    if (plan !== 'help') return plan
    console.log(usage)
    process.exit()
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    process.exit(2)
  }
}
