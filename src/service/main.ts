import cluster from 'node:cluster'
import type { Writable } from 'node:stream'
import closeWithGrace from 'close-with-grace'
import { ConfigInvalidError, UsageError } from '../errors.js'
import { version } from '../manifest.js'
import type { ReloadOutcome } from '../types.js'
import { withDefaults } from '../options/defaults.js'
import { GatewayConfig } from '../options/index.js'
import { parseArguments, type Arguments } from './arguments.js'
import { summaryOf } from './changes.js'
import { askService, openControl } from './control.js'
import { ConfigWatch, type Read } from './config-watch.js'
import { environmentOf, readVariables } from './environment.js'
import { explainFailure } from './failures.js'
import { openGateway, type RunningGateway } from './running-gateway.js'
import { HELP } from './help.js'
import { init } from './init.js'
import { listenersOf } from './listeners.js'
import { surviveOutput } from './log/logger.js'
import { hasLostTerminal } from './lost-terminal.js'
import { watchNpmShell } from './npm-shell.js'
import { routesTable } from './routes-table.js'
import { SingleService, type Service } from './service.js'
import { DEFAULT_FILE, partsOf, resolveSettings, type Settings } from './settings.js'
import { openSupervisor, type Supervisor } from './systemd.js'
import { workerCount } from './workers/count.js'

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
  // The lines of a stack are indented, and stay as they are.
  const complain = (text: string): void => { stderr.write(text.replace(/^(?=\S)/gm, 'sluice: ') + '\n') }
  try {
    const args = parseArguments(argv)
    const read: Read = async onFile => {
      const variables = await readVariables(environment, directory)
      return await resolveSettings(args, environmentOf(variables), directory, { variables, ...onFile !== undefined && { onFile } })
    }
    if (args.help === true) {
      stdout.write(HELP)
    } else if (args.version === true) {
      stdout.write(`${version()}\n`)
    } else if (args.command === 'init') {
      stdout.write(`${await init(args.config ?? DEFAULT_FILE, directory)}\n`)
    } else if (args.command === 'check') {
      stdout.write(`${await check(await read())}\n`)
    } else if (args.command === 'routes') {
      stdout.write(`${await readied(await read(), ({ app: { gateway } }) => routesTable(gateway.routes.list(), gateway.upstreams.list()))}\n`)
    } else if (args.command !== undefined) {
      const command = args.command === 'restart' && args.keepSessions === true ? 'restart --keep-sessions' : args.command
      const { ok, text } = await askService(command, args)
      if (!ok) {
        complain(text)
        return 1
      }
      stdout.write(`${text}\n`)
    } else {
      await serve(args, read, environment)
    }
    return 0
  } catch (error) {
    const { text, exitCode } = explainFailure(error)
    complain(text)
    return exitCode
  }
}

/** Makes everything of a configuration but the listener, and gives what is asked of it. */
async function readied<T> (settings: Settings, ask: (gateway: RunningGateway) => T): Promise<T> {
  const gateway = openGateway({ ...partsOf(settings), logger: false })
  try {
    await gateway.check()
    return ask(gateway)
  } finally {
    await gateway.close()
  }
}

async function check (settings: Settings): Promise<string> {
  await readied(settings, () => {})
  const { demo, file, plugins, routes: folder, config } = settings
  if (demo) return 'Nothing is configured; the demo would be served.'
  const { routes = [], upstreams = {} } = config
  const listeners = listenersOf(config).length
  const counts = `${routes.length} route(s), ${Object.keys(upstreams).length} upstream(s)${listeners > 1 ? `, ${listeners} listeners` : ''}`
  const used = new Set(routes.flatMap(({ upstream, websocket }) => [upstream, typeof websocket === 'object' ? websocket.upstream : undefined]))
  // Code may use the others.
  const unused = plugins === undefined && folder === undefined ? Object.keys(upstreams).filter(name => !used.has(name)) : []
  const note = unused.length === 0 ? '' : `\nNo route uses ${unused.map(name => `'${name}'`).join(', ')}.`
  return `The configuration${file === undefined ? '' : ` ${file}`} is valid: ${counts}.${note}`
}

/** Opens the gateway and lets it serve until a signal comes. */
async function serve (args: Arguments, readSettings: Read, environment: NodeJS.ProcessEnv): Promise<void> {
  const watch = new ConfigWatch(args.watch === true, () => { reload('a change of the file').catch(() => {}) })
  const read = (): Promise<Settings> => watch.during(readSettings)
  const settings = await read()
  if (args.watch === true && settings.file === undefined) throw new UsageError('Option --watch needs a configuration file (--config, or sluice.yaml in the working directory).')
  // Before there are workers, which must not speak for the service.
  const supervisor = openSupervisor(environment, { warn: text => service.log.warn(text) })
  const service = await openService(settings)
  for (const note of settings.notes) service.log.warn(note)
  const reload = reloader(service, read, supervisor)
  service.readAgain = () => reload('the admin API')
  const ends: Array<() => unknown> = []
  const grace = stopOnSignals(service, ends, supervisor)
  reloadOnHangup(service, () => reload('SIGHUP'))
  ends.push(stopWithNpm(service))
  process.on('SIGUSR2', () => service.reopenLog())
  // Without a listener, Node would open its debugger.
  process.on('SIGUSR1', () => service.log.info('SIGUSR1 received: it does nothing here, SIGUSR2 opens the file of the log anew'))
  try {
    // Where nobody can ask, everything else works; a pid file that was asked for must be there.
    const commands = { reload: () => reload('sluice reload'), restart: restarter(service, false), 'restart --keep-sessions': restarter(service, true) }
    await openControl(commands, args.pidFile).then(close => ends.push(close), (error: Error) => {
      if (args.pidFile !== undefined) throw error
      service.log.warn(`'sluice reload' will not find this service: ${error.message}. SIGHUP works.`)
    })
    supervisor.ready(`Serving at ${await service.listen()}`)
  } catch (error) {
    grace.uninstall()
    for (const end of ends) await end()
    await service.close()
    throw error
  }
  ends.push(() => watch.close())
  warnOfNothing(service, settings)
}

/** One process, or several. */
async function openService (settings: Settings): Promise<Service> {
  if (workerCount(settings.config) === undefined) return await SingleService.open(settings)
  if (cluster.isWorker) throw new ConfigInvalidError("'workers' cannot be used where the service is itself a worker of node:cluster, as under 'pm2 -i'. Let one of the two start the processes.")
  const { PrimaryService } = await import('./workers/primary.js')
  return new PrimaryService(settings)
}

/** Replaces the workers, and says how that went. */
function restarter (service: Service, keepSessions: boolean): () => Promise<ReloadOutcome> {
  return async () => {
    try {
      return await service.restart({ keepSessions })
    } catch (error) {
      const { text } = explainFailure(error)
      service.log.error(`The restart has stopped, and the workers that were not replaced go on:\n${text}`)
      return { ok: false, text }
    }
  }
}

/** Puts what the sources say by now in force. Whoever asks while it is being done gets the result of one further time. */
function reloader (service: Service, read: () => Promise<Settings>, supervisor: Supervisor): (why: string) => Promise<ReloadOutcome> {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<ReloadOutcome> | undefined
  const run = async (why: string): Promise<ReloadOutcome> => {
    next = undefined
    supervisor.reloading()
    try {
      service.log.info(`${why}: reloading the configuration`)
      const text = `The configuration is in force: ${summaryOf(await service.reload(read))}.`
      supervisor.reloaded(text)
      return { ok: true, text }
    } catch (error) {
      const { text } = explainFailure(error)
      supervisor.reloaded(`The configuration was not reloaded: ${text}`)
      service.log.error(`The configuration was not reloaded, and the one before stays in force:\n${text}`)
      return { ok: false, text }
    }
  }
  return why => {
    if (next === undefined) {
      next = running.then(() => run(why))
      running = next
    }
    return next
  }
}

function reloadOnHangup (service: Service, reload: () => Promise<unknown>): void {
  process.on('SIGHUP', () => {
    if (hasLostTerminal()) {
      service.log.info('SIGHUP received, as the terminal has gone')
      process.kill(process.pid, 'SIGTERM')
    } else {
      reload().catch(() => {})
    }
  })
}

/** Gives what ends the watch. */
function stopWithNpm (service: Service): () => void {
  return watchNpmShell(() => {
    service.log.info('npm has ended, and the signal that ended it did not arrive here')
    process.kill(process.pid, 'SIGTERM')
  })
}

function warnOfNothing (service: Service, { config: { routes = [] }, demo, ...folders }: Settings): void {
  if (routes.length === 0 && !demo && folders.routes === undefined && folders.plugins === undefined) {
    service.log.warn("There are no routes, so every request gets 404. Add 'routes' to the configuration.")
  }
}

/** @param ends What else ends with it. */
function stopOnSignals (service: Service, ends: ReadonlyArray<() => unknown>, supervisor: Supervisor) {
  // Of the app that is served then.
  const logger = { error: (message?: unknown) => service.log.error(message), warn: (message?: unknown) => service.log.warn(message) }
  return closeWithGrace({ delay: false, logger, skip: ['beforeExit', 'SIGHUP', 'SIGUSR2'] }, async ({ signal, err }) => {
    if (err === undefined) service.log.info(`${signal} received, stopping`)
    else service.log.fatal({ err }, 'Uncaught error, stopping')
    // As long as the configuration says that is in force by now.
    const { drainDelay, drainTimeout } = withDefaults(GatewayConfig, service.config, ['drainDelay', 'drainTimeout'])
    const limit = drainDelay + drainTimeout + STOP_MARGIN
    supervisor.stopping(limit)
    setTimeout(() => {
      service.log.error(`not stopped within ${limit} ms, exiting`)
      process.exit(1)
    }, limit).unref()
    for (const end of ends) await end()
    await service.close()
  })
}
