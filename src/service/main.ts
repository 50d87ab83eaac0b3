import type { Writable } from 'node:stream'
import closeWithGrace from 'close-with-grace'
import { parseArguments } from './arguments.js'
import { readEnvironment } from './environment.js'
import { explainFailure } from './failures.js'
import { openGateway, type RunningGateway } from './gateway.js'
import { HELP, version } from './help.js'
import { surviveOutput } from './logger.js'
import { resolveSettings, type Settings } from './settings.js'

/** What the program gets from outside. */
export interface Surroundings {
  /** The command line, without the program's own name. */
  argv: string[]
  environment: NodeJS.ProcessEnv
  /** The working directory. */
  directory: string
  stdout: Writable
  stderr: Writable
}

/** How much longer than the drain the whole stop may take, in milliseconds; then the process ends anyway. */
const STOP_MARGIN = 5_000

/**
 * Runs the service.
 *
 * @returns The exit code, when the process has nothing more to do; 0 also while the gateway serves, which
 * then ends the process itself on SIGTERM and SIGINT.
 */
export async function main ({ argv, environment, directory, stdout, stderr }: Surroundings): Promise<number> {
  for (const output of [stdout, stderr]) surviveOutput(output)
  try {
    const args = parseArguments(argv)
    if (args.help === true) {
      stdout.write(HELP)
    } else if (args.version === true) {
      stdout.write(`${version()}\n`)
    } else {
      await serve(await resolveSettings(args, await readEnvironment(environment, directory), directory))
    }
    return 0
  } catch (error) {
    const { text, exitCode } = explainFailure(error)
    // The lines of a stack are indented, and stay as they are.
    stderr.write(text.replace(/^(?=\S)/gm, 'sluice: ') + '\n')
    return exitCode
  }
}

/** Opens the gateway and lets it serve until a signal comes. */
async function serve (settings: Settings): Promise<void> {
  const gateway = openGateway(settings)
  await gateway.filled
  for (const note of settings.notes) gateway.app.log.warn(note)
  const grace = stopOnSignals(gateway, settings.config.drainTimeout ?? 30_000)
  try {
    await gateway.listen()
  } catch (error) {
    grace.uninstall()
    await gateway.close()
    throw error
  }
  const { routes = [] } = settings.config
  if (routes.length === 0 && !settings.demo && settings.routes === undefined && settings.plugins === undefined) {
    gateway.app.log.warn("There are no routes, so every request is answered with 404. Add 'routes' to the configuration.")
  }
}

function stopOnSignals (gateway: RunningGateway, drainTimeout: number) {
  const { app } = gateway
  return closeWithGrace({ delay: drainTimeout + STOP_MARGIN, logger: app.log, skip: ['beforeExit'] }, async ({ signal, err }) => {
    if (err === undefined) app.log.info(`${signal} received, stopping`)
    else app.log.fatal({ err }, 'Uncaught error, stopping')
    await gateway.close()
  })
}
